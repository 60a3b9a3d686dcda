"""Pure functions of (arrays, rng): frames of reference, row choice, noise."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int


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


def bounding_frame(points: Float[np.ndarray, "N 3"]) -> NormalizationFrame:
    """The frame in which a cloud is centred and spans 1 along the longest side of its box."""
    low, high = points.min(0), points.max(0)
    scale = float((high - low).max())
    if not scale > 0:
        raise ValueError(f"the {len(points)} points have no extent, so no scale can be taken")
    return NormalizationFrame((low + high).astype(np.float64) / 2, scale)


def change_frame(
    points: Float[np.ndarray, "N 3"], source: NormalizationFrame, target: NormalizationFrame
) -> Float[np.ndarray, "N 3"]:
    """Express points given in one frame in another: (loc + scale * p - loc0) / scale0."""
    ratio = source.scale / target.scale
    shift = (source.loc - target.loc) / target.scale
    return (points.astype(np.float64) * ratio + shift).astype(np.float32)


def choose_rows(
    total: int, count: int, rng: np.random.Generator, what: str
) -> Int[np.ndarray, "K"]:
    """Draw `count` different rows out of `total`."""
    if count > total:
        raise ValueError(f"{what} has {total} rows, {count} were asked for")
    return rng.choice(total, count, replace=False, shuffle=False)


def add_noise(
    points: Float[np.ndarray, "*shape"], std: float, rng: np.random.Generator
) -> Float[np.ndarray, "*shape"]:
    """Add independent Gaussian noise; `std` in units of the points."""
    if std == 0:
        return points
    return points + rng.normal(0, std, points.shape).astype(points.dtype)
