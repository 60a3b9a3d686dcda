"""Pure functions of arrays and a random generator: frames of reference, rows, noise, outliers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

OUTLIER_BOX = 1.1  # sides of the box of outliers, relative to the cloud's bounding box


@dataclass(frozen=True)
class NormalizationFrame:
    """A frame of reference: world = loc + scale * p.

    Attributes:
        loc: Origin in world coordinates, metres.
        scale: Length of one unit, metres.
    """

    loc: Float[np.ndarray, "3"]
    scale: float

    def to_world(self, points: Float[np.ndarray, "... 3"]) -> Float[np.ndarray, "... 3"]:
        return self.loc + self.scale * points

    def from_world(self, points: Float[np.ndarray, "... 3"]) -> Float[np.ndarray, "... 3"]:
        return (points - self.loc) / self.scale


AS_IT_IS = NormalizationFrame(np.zeros(3), 1.0)
"""Of coordinates that have no other place in the world."""


def bounding_frame(points: Float[np.ndarray, "N 3"]) -> NormalizationFrame:
    """The frame in which a cloud is centred and spans 1 along the longest side of its box."""
    low, high = points.min(0), points.max(0)
    scale = float((high - low).max())
    if not scale > 0:
        raise ValueError(
            f"the {len(points)} points of a cloud have no extent, so no scale can be taken; give "
            "the points of a whole body"
        )
    return NormalizationFrame((low + high).astype(np.float64) / 2, scale)


def change_frames(
    points: Float[np.ndarray, "T N 3"],
    sources: Sequence[NormalizationFrame],
    target: NormalizationFrame,
) -> Float[np.ndarray, "T N 3"]:
    """Bring clouds, each in a frame of its own, into one: (loc + scale * p - loc0) / scale0."""
    ratios = np.array([source.scale for source in sources]) / target.scale
    shifts = (np.stack([source.loc for source in sources]) - target.loc) / target.scale
    moved = points.astype(np.float64)
    moved *= ratios[:, None, None]  # in place: to ask the system for memory takes longer than this
    moved += shifts[:, None]
    return moved.astype(np.float32)


def choose_rows(
    total: int, count: int, rng: np.random.Generator, what: str
) -> Int[np.ndarray, "K"]:
    """Draw `count` different rows out of `total`."""
    refuse_too_few(total, count, what)
    return rng.choice(total, count, replace=False, shuffle=False)


def refuse_too_few(total: int, count: int, what: str) -> None:
    """Refuse to draw more different rows than there are."""
    if count > total:
        raise ValueError(f"{what} has {total} rows, {count} were asked for")


def add_noise(
    points: Float[np.ndarray, "*shape"], std: float, rng: np.random.Generator
) -> Float[np.ndarray, "*shape"]:
    """Add independent Gaussian noise; `std` in units of the points."""
    if std == 0:
        return points
    return points + rng.normal(0, std, points.shape).astype(points.dtype)


def replace_by_outliers(
    clouds: Float[np.ndarray, "K N 3"], share: float, rng: np.random.Generator, *, same_rows: bool
) -> Float[np.ndarray, "K N 3"]:
    """Replace some points of each cloud by uniform ones in its bounding box, enlarged by 10 %.

    Args:
        clouds: Positions, in any one frame of reference.
        share: Share of the points to replace, in [0, 1]; rounded to whole points.
        same_rows: Replace the same rows in all clouds, for clouds in correspondence. The positions
            are drawn anew in each cloud, so no outlier moves like anything real.
    """
    num_clouds, num_points, _ = clouds.shape
    count = round(share * num_points)
    if count == 0:
        return clouds
    spoilt = clouds.copy()
    rows = np.arange(0)
    for k in range(num_clouds):
        if k == 0 or not same_rows:
            rows = choose_rows(num_points, count, rng, "the cloud")
        low, high = clouds[k].min(0), clouds[k].max(0)
        margin = (OUTLIER_BOX - 1) / 2 * (high - low)
        spoilt[k, rows] = rng.uniform(low - margin, high + margin, (count, 3))
    return spoilt
