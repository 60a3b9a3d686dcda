"""Moving shapes that no network of ours has seen, as animated .glb files: an animal and a cloth.

python -m im2mesh.studies.scans.strangers data/strangers
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from im2mesh.command_line import docstring_parser, exit_status
from im2mesh.meshing.marching_cubes import marching_cubes
from im2mesh.meshing.mesh_sequence import MeshSequence

FRAMES = 17
CELL = 0.02
"""Metres between the places where the shape of the animal is asked for."""
ROUNDING = 0.02
"""Metres over which its parts flow into each other."""
BONES = np.array([  # from, to, thickness; metres, y up, the head at +z
    (0, 0.75, -0.35, 0, 0.75, 0.35, 0.15),  # trunk
    (0, 0.80, 0.38, 0, 1.05, 0.55, 0.07),  # neck
    (0, 1.05, 0.55, 0, 1.00, 0.75, 0.08),  # head
    (0, 0.80, -0.40, 0, 0.85, -0.75, 0.03),  # tail
    (0.11, 0.65, 0.32, 0.11, 0.34, 0.34, 0.065), (0.11, 0.34, 0.34, 0.11, 0.04, 0.30, 0.04),
    (-0.11, 0.65, 0.32, -0.11, 0.34, 0.34, 0.065), (-0.11, 0.34, 0.34, -0.11, 0.04, 0.30, 0.04),
    (0.11, 0.65, -0.32, 0.11, 0.34, -0.36, 0.07), (0.11, 0.34, -0.36, 0.11, 0.04, -0.32, 0.04),
    (-0.11, 0.65, -0.32, -0.11, 0.34, -0.36, 0.07), (-0.11, 0.34, -0.36, -0.11, 0.04, -0.32, 0.04),
])  # fmt: skip
PARENTS = (-1, 0, 1, 0, 0, 4, 0, 6, 0, 8, 0, 10)
"""Bone that each bone hangs on."""


def animal() -> MeshSequence:
    """A four-legged animal that trots on the spot, nods and wags its tail."""
    low, high = np.array([-0.35, -0.1, -0.95]), np.array([0.35, 1.25, 0.95])
    axes = [np.arange(a, b, CELL) for a, b in zip(low, high, strict=True)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), -1)
    depths = -np.log(np.exp(-_distances(grid.reshape(-1, 3)) / ROUNDING).sum(1)) * ROUNDING
    vertices, faces = marching_cubes(-depths.reshape(grid.shape[:3]))
    rest = vertices * CELL + low
    shares = np.exp(-np.maximum(_distances(rest), 0) / ROUNDING)
    shares /= shares.sum(1, keepdims=True)
    moved = [_pose(rest, shares, 2 * np.pi * k / 34) for k in range(FRAMES)]
    return _sequence(np.stack(moved), faces)


def cloth() -> MeshSequence:
    """A cloth that hangs from its upper edge, in waves that run down and across."""
    across, down = np.meshgrid(np.linspace(-0.6, 0.6, 41), np.linspace(0, 1, 41), indexing="ij")
    frames = []
    for k in range(FRAMES):
        phase = 2 * np.pi * k / 30
        deep = down * (0.12 * np.sin(6 * down - phase) + 0.08 * np.sin(7 * across + phase))
        aside = across * (1 - 0.1 * down * np.cos(phase / 2))
        frames.append(np.stack([aside, 1 - down - 0.05 * deep, deep], -1).reshape(-1, 3))
    corner = (41 * np.arange(40)[:, None] + np.arange(40)).reshape(-1)
    one = np.stack([corner, corner + 1, corner + 42], 1)
    other = np.stack([corner, corner + 42, corner + 41], 1)
    return _sequence(np.stack(frames), np.concatenate([one, other]))


def _sequence(vertices: Float[np.ndarray, "T V 3"], faces: np.ndarray) -> MeshSequence:
    times = np.linspace(0, 1, len(vertices))
    return MeshSequence(faces.astype(np.int32), vertices.astype(np.float32), times)


def _distances(points: Float[np.ndarray, "N 3"]) -> Float[np.ndarray, "N B"]:
    """Distance of points to the surface of each bone, negative inside."""
    found = []
    for bone in BONES:
        start, way = bone[:3], bone[3:6] - bone[:3]
        along = np.clip((points - start) @ way / (way @ way), 0, 1)
        found.append(np.linalg.norm(points - start - along[:, None] * way, axis=1) - bone[6])
    return np.stack(found, 1)


def _pose(
    rest: Float[np.ndarray, "V 3"], shares: Float[np.ndarray, "V B"], phase: float
) -> Float[np.ndarray, "V 3"]:
    """Turn every bone about its beginning, with what hangs on it, and blend."""
    swing = 0.45 * np.sin(phase + np.pi * np.array([0, 1, 1, 0]))  # legs across go together
    bend = 0.5 * np.maximum(0, np.cos(phase + np.pi * np.array([0, 1, 1, 0])))
    legs = [turn for pair in zip(swing, bend, strict=True) for turn in pair]
    about_x = np.array([0, 0.25 * np.sin(phase), 0.3 * np.sin(phase), 0, *legs])
    about_y = np.zeros(len(BONES))
    about_y[3] = 0.6 * np.sin(2 * phase)
    rotations, shifts = [], []
    for bone, parent in enumerate(PARENTS):
        turn = Rotation.from_euler("xy", [about_x[bone], about_y[bone]]).as_matrix()
        joint, above, moved = BONES[bone, :3], np.eye(3), np.zeros(3)
        if parent >= 0:
            above, moved = rotations[parent], shifts[parent]
        rotations.append(above @ turn)
        shifts.append(above @ (joint - turn @ joint) + moved)
    carried = np.einsum("bij,vj->vbi", np.stack(rotations), rest) + np.stack(shifts)
    return np.einsum("vb,vbi->vi", shares, carried)


def main(arguments: Sequence[str]) -> None:
    parser: argparse.ArgumentParser = docstring_parser(__doc__, "im2mesh.studies.scans.strangers")
    parser.add_argument("out", type=Path, metavar="OUT", help="folder for animal.glb and cloth.glb")
    out = parser.parse_args(arguments).out
    out.mkdir(parents=True, exist_ok=True)
    for name, shape in (("animal", animal), ("cloth", cloth)):
        shape().save(out / f"{name}.glb")


if __name__ == "__main__":
    sys.exit(exit_status(main))
