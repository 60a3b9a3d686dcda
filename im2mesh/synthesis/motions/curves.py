"""Shapes over time from which motions are put together; angles in radians."""

import numpy as np
from jaxtyping import Float

Curve = Float[np.ndarray, "T"]


def rise_and_fall(angle: Curve) -> Curve:
    """0 at angle 0, 1 at pi, smooth."""
    return 0.5 - 0.5 * np.cos(angle)


def half_wave(angle: Curve) -> Curve:
    """A smooth bump to 1 in the first half of each cycle, 0 in the second."""
    return np.maximum(np.sin(angle), 0.0) ** 2


def ease(share: Curve) -> Curve:
    """From 0 to 1 with level ends, for shares from 0 to 1."""
    clipped = np.clip(share, 0.0, 1.0)
    return clipped**2 * (3.0 - 2.0 * clipped)


def hop(angle: Curve, airborne: float = 0.5) -> tuple[Curve, Curve]:
    """Height in flight and sinking while on the ground, each at most 1.

    Parts of one sine, so that the body as a whole moves smoothly through take-off and landing.

    Args:
        angle: Take-off is near 0, the top at pi / 2.
        airborne: Share of the cycle spent in flight, at most one half.
    """
    takeoff = np.sin(np.pi * (0.5 - airborne))
    height = np.sin(angle) - takeoff
    return np.maximum(height, 0.0) / (1 - takeoff), np.maximum(-height, 0.0) / (1 + takeoff)
