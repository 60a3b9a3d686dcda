"""Whether clouds show one side of a body alone, as one depth camera sees it."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from im2mesh.data.transforms import bounding_frame

NUM_DIRECTIONS = 96
CELL = 0.05
"""Side of the cells in which points are looked at together, in sizes of the body."""
GAP = 0.05
"""Least distance between the near and the far side, along the line of sight."""
STRAY = 0.02
"""Part of the points that the box of the body leaves out at each of its sides."""
MOST_POINTS = 1000
"""So many points of a frame are looked at: in denser clouds, noise would fill the body."""
LEAST_POINTS = 3
"""A cell of fewer points tells nothing."""
ONE_SIDE = 0.11
"""Share of cells with a far side below which there is none. Of 21 clips of the benchmark, 300 to
5000 points, the mean over three frames is at most 0.10 for one depth camera (0.11 with a noise of
0.01), at least 0.12 for two, and at least 0.20 for the whole surface, also with a noise of 0.02. A
tenth of outliers takes one camera to 0.35, and a hole of radius 0.2 a whole surface to 0.07."""
MOST_FRAMES = 5


def is_one_sided(clouds: Sequence[Float[np.ndarray, "_ 3"]]) -> bool:
    """Whether there is a direction in which hardly a point lies behind another one.

    Args:
        clouds: Clouds of a body; a few of them are looked at, evenly spread.
    """
    chosen = np.linspace(0, len(clouds) - 1, min(len(clouds), MOST_FRAMES)).round().astype(int)
    shares = [far_share(clouds[k]) for k in np.unique(chosen).tolist()]
    return float(np.mean(shares)) < ONE_SIDE


def far_share(cloud: Float[np.ndarray, "N 3"]) -> float:
    """Share of the cells in which there is a near and a far side, in the direction in which these
    are fewest; 1 if no cell has enough points, or all are in one place."""
    chosen = np.random.default_rng(0).permutation(len(cloud))[:MOST_POINTS]
    try:
        points = _without_strays(cloud[chosen].astype(np.float64))
    except ValueError:  # a cloud without extent
        return 1.0
    return min(_far_share_along(points, sight) for sight in _directions(NUM_DIRECTIONS))


def _without_strays(cloud: Float[np.ndarray, "N 3"]) -> Float[np.ndarray, "M 3"]:
    """The points of a cloud in the frame of its body, without those that are far from it."""
    frame = bounding_frame(np.quantile(cloud, (STRAY, 1 - STRAY), axis=0))
    points = frame.from_world(cloud)
    return points[np.abs(points).max(1) < 1]


def _far_share_along(points: Float[np.ndarray, "N 3"], sight: Float[np.ndarray, "3"]) -> float:
    _, _, axes = np.linalg.svd(sight[None])  # the second and the third are across the sight
    cells = np.unique(np.floor(points @ axes[1:].T / CELL), axis=0, return_inverse=True)[1].ravel()
    depth = points @ sight
    order = np.lexsort((depth, cells))
    cell, along = cells[order], depth[order]
    is_far = (np.diff(along) > GAP) & (np.diff(cell) == 0)
    counts = np.bincount(cells)
    has_far_side = np.bincount(cell[1:][is_far], minlength=len(counts)) > 0
    is_told = counts >= LEAST_POINTS
    return float(has_far_side[is_told].mean()) if is_told.any() else 1.0


def _directions(count: int) -> Float[np.ndarray, "count 3"]:
    """Unit vectors, spread evenly over a sphere (a Fibonacci lattice)."""
    numbers = np.arange(count) + 0.5
    height, turn = 1 - 2 * numbers / count, np.pi * (1 + 5**0.5) * numbers
    ring = np.sqrt(1 - height**2)
    return np.stack([ring * np.cos(turn), height, ring * np.sin(turn)], 1)
