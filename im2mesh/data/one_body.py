"""Whether clouds show one body and nothing else."""

import warnings
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from scipy.ndimage import label

from im2mesh.errors import Advice, UserError

JUMP = 0.5
"""How far, in sizes of the body, its middle may be from that in the frame before."""
WIDE_CELLS = 12
"""Cells along the longest side, of a grid in which all parts of one body touch, though a scanner
may miss what lies between them."""
SECOND_BODY = 0.25
"""Share of the points, apart from all others, that is taken for another body."""
LAYER = 0.02
"""Thickness of a floor, as a part of the extent along its normal."""
MUCH, WIDE = 0.1, 2.0
"""Share of the points, and how many times the area of all others, of a layer that is a floor."""


def refuse_other_bodies(names: Sequence[str], clouds: Sequence[Float[np.ndarray, "_ 3"]]) -> None:
    """Refuse clouds of two bodies, together or one after the other.

    Raises:
        UserError: Naming the frame.
    """
    _refuse_jumps(names, clouds)
    for name, cloud in zip(names, clouds, strict=True):
        _refuse_two_bodies(name, cloud)


def tell_floor(name: str, cloud: Float[np.ndarray, "N 3"]) -> None:
    """Tell if the points seem to hold a floor, along y or z: a fit would take it for the body."""
    for axis in (1, 2):
        heights = cloud[:, axis]
        lowest = np.quantile(heights, 0.01)
        in_layer = heights < lowest + LAYER * np.ptp(heights)
        if in_layer.mean() < MUCH or in_layer.all():
            continue
        layer, others = (np.delete(np.ptp(part, axis=0), axis).prod()
                         for part in (cloud[in_layer], cloud[~in_layer]))  # fmt: skip
        if layer > WIDE * others:
            warnings.warn(
                f"{name}: {in_layer.mean():.0%} of the points lie in a flat layer that reaches "
                "farther than all others; if that is a floor, cut it away: clouds must hold one "
                "body and nothing else",
                Advice,
                stacklevel=1,
            )


def _refuse_jumps(names: Sequence[str], clouds: Sequence[Float[np.ndarray, "_ 3"]]) -> None:
    size = float(np.median([np.ptp(cloud, axis=0).max() for cloud in clouds]))
    middles = np.array([np.median(cloud, axis=0) for cloud in clouds])
    steps = np.linalg.norm(np.diff(middles, axis=0), axis=1) / max(size, 1e-12)
    if (steps > JUMP).any():
        k = int(np.argmax(steps > JUMP))
        raise UserError(
            f"from {names[k]} to {names[k + 1]} the body jumps by {steps[k]:.2g} times its size: "
            "another subject, or another unit? Cut the clip there, or leave the frame out"
        )


def _refuse_two_bodies(name: str, cloud: Float[np.ndarray, "N 3"]) -> None:
    size = float(np.ptp(cloud, axis=0).max())
    cells = np.floor((cloud - cloud.min(0)) / (size / WIDE_CELLS)).astype(np.int64)
    grid = np.zeros(cells.max(0) + 3, bool)
    for shift in np.ndindex(3, 3, 3):  # sparse clouds leave cells empty between their points
        grid[tuple((cells + shift).T)] = True
    parts = np.asarray(label(grid, np.ones((3, 3, 3)))[0])  # pyright: ignore[reportIndexIssue]
    sizes = np.sort(np.bincount(parts[tuple((cells + 1).T)]))[::-1] / len(cloud)
    if len(sizes) > 1 and sizes[1] >= SECOND_BODY:
        raise UserError(
            f"{name} shows two bodies, apart from each other ({sizes[0]:.0%} and {sizes[1]:.0%} of "
            "the points); cut out one of them"
        )
