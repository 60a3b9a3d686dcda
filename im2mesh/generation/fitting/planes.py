"""Planes through neighbouring points: what a cloud knows of its surface."""

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial import KDTree


def nearest(points: Float[np.ndarray, "N 3"], count: int) -> Int[np.ndarray, "N k"]:
    """Rows of the nearest points of every point, itself among them; all where there are fewer."""
    rows = KDTree(points).query(points, min(count, len(points)))[1]
    return np.asarray(rows).reshape(len(points), -1)


def local_planes(
    points: Float[np.ndarray, "N 3"], near: Int[np.ndarray, "N k"]
) -> tuple[Float[np.ndarray, "N 3"], Float[np.ndarray, "N 3"]]:
    """Of every point, the plane that fits some points best: their mean, and a unit normal.

    Args:
        near: Rows of these points (`nearest`).
    """
    centres = points[near].mean(1)
    offsets = points[near] - centres[:, None]
    return centres, np.linalg.eigh(np.einsum("nki,nkj->nij", offsets, offsets))[1][:, :, 0]


def onto_planes(
    points: Float[np.ndarray, "N 3"], count: int, reach: float
) -> Float[np.ndarray, "N 3"]:
    """Move points towards the planes through their neighbours, so that noise across the surface is
    averaged, but a limb does not become thin.

    On a curved surface all points of a neighbourhood lie on one side of their planes, and would
    move inwards together. What they have in common is no noise, and is taken off.

    Args:
        count: Number of nearest points of a plane, the point itself among them.
        reach: Distance within which these must lie; points with farther ones stay where they are.
    """
    near = nearest(points, count)
    centres, normals = local_planes(points, near)
    moves = ((centres - points) * normals).sum(1, keepdims=True) * normals
    moves -= moves[near].mean(1)
    far = np.linalg.norm(points[near[:, -1]] - points, axis=1, keepdims=True)
    return np.where(far < reach, points + moves, points)
