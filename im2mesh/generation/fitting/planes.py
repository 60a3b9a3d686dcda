"""Planes through neighbouring points: what a cloud knows of its surface."""

import numpy as np
from jaxtyping import Float
from scipy.spatial import KDTree


def local_planes(
    points: Float[np.ndarray, "N 3"], count: int
) -> tuple[Float[np.ndarray, "N 3"], Float[np.ndarray, "N 3"]]:
    """Of every point, the plane that fits its nearest points best: their mean, and a unit normal.

    Args:
        count: Number of nearest points, the point itself among them; all where there are fewer.
    """
    near = KDTree(points).query(points, min(count, len(points)))[1].reshape(len(points), -1)
    centres = points[near].mean(1)
    offsets = points[near] - centres[:, None]
    return centres, np.linalg.eigh(np.einsum("nki,nkj->nij", offsets, offsets))[1][:, :, 0]
