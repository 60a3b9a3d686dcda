"""Lengths of arms and legs, told by points of the skin."""

from itertools import pairwise

import numpy as np
from jaxtyping import Float, Int

from im2mesh.synthesis.body import Body

CHAINS = (
    ("upperarm01", "lowerarm01", "wrist"),
    ("upperleg01", "lowerleg01", "foot"),
)
"""Joints from the trunk outwards, on each side."""
SIDES = ("L", "R")
_POINTS = 40
"""Of the skin around a joint, whose mean tells where it is."""


def limb_points(body: Body) -> Int[np.ndarray, "L 2 K"]:
    """Vertices around both ends of each of the eight limbs: upper arm, forearm, thigh, shin.

    They are those nearest to the joint at rest, so they are not quite the joint; but they are the
    same particles in all poses, and stay together.
    """
    return np.array(
        [
            [_around(body, f"{joint}.{side}") for joint in limb]
            for chain in CHAINS
            for side in SIDES
            for limb in pairwise(chain)
        ]
    )


def limb_lengths(points: Float[np.ndarray, "*S L 2 K 3"]) -> Float[np.ndarray, "*S L"]:
    """Lengths of limbs, from where the points around their ends are."""
    ends = points.mean(-2)
    return np.linalg.norm(ends[..., 1, :] - ends[..., 0, :], axis=-1)


def _around(body: Body, joint: str) -> Int[np.ndarray, "K"]:
    distances = np.linalg.norm(body.vertices - body.joint(joint), axis=1)
    return np.argsort(distances, kind="stable")[:_POINTS]
