"""Points near a moving surface, followed as if they were part of it."""

import numpy as np
from jaxtyping import Float
from scipy.spatial import KDTree

NEAR = 8
"""Vertices that a point goes along with."""


def follow(
    vertices: Float[np.ndarray, "T V 3"], points: Float[np.ndarray, "M 3"]
) -> Float[np.ndarray, "T M 3"]:
    """Carry points of the first frame along with the vertices that are nearest to them there.

    These move a point as the rigid motion that fits theirs best (Kabsch, 1976), so that it keeps
    its distance to a surface that turns; all vertices near it lie in one plane or almost, which
    determines a motion but for a mirror.
    """
    rows = np.asarray(KDTree(vertices[0]).query(points, min(NEAR, vertices.shape[1]))[1])
    first = vertices[0][rows].astype(np.float64)  # [M, k, 3]
    middle = first.mean(1)
    offsets = first - middle[:, None]
    return np.stack(
        [_move(points - middle, offsets, frame[rows].astype(np.float64)) for frame in vertices]
    )


def _move(
    points: Float[np.ndarray, "M 3"],
    offsets: Float[np.ndarray, "M k 3"],
    vertices: Float[np.ndarray, "M k 3"],
) -> Float[np.ndarray, "M 3"]:
    middle = vertices.mean(1)
    left, _, right = np.linalg.svd(np.einsum("mki,mkj->mij", offsets, vertices - middle[:, None]))
    left[np.linalg.det(left @ right) < 0, :, -1] *= -1  # a turn, and no mirror
    return np.einsum("mi,mij->mj", points, left @ right) + middle
