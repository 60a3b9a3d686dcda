"""Curves over time, the building blocks of motions; angles in radians."""

import numpy as np
from jaxtyping import Float

Curve = Float[np.ndarray, "T"]


def rise_and_fall(angle: Curve) -> Curve:
    """A smooth wave: 0 at angle 0, 1 at pi."""
    return 0.5 - 0.5 * np.cos(angle)


def half_wave(angle: Curve) -> Curve:
    """A smooth bump to 1 in the first half of each cycle, 0 in the second."""
    return np.maximum(np.sin(angle), 0.0) ** 2


def ease(share: Curve) -> Curve:
    """A smooth step from 0 to 1, with level ends, as the share goes from 0 to 1."""
    clipped = np.clip(share, 0.0, 1.0)
    return clipped**2 * (3.0 - 2.0 * clipped)


def hop(angle: Curve, airborne: float = 0.5) -> tuple[Curve, Curve]:
    """Height in flight, and depth of sinking while on the ground, each at most 1.

    Both are parts of one sine, so that the body moves smoothly through take-off and landing.

    Args:
        angle: Phase of the hop, with take-off near 0 and the top at pi / 2.
        airborne: Share of the cycle spent in flight, at most one half.
    """
    takeoff = np.sin(np.pi * (0.5 - airborne))
    height = np.sin(angle) - takeoff
    return np.maximum(height, 0.0) / (1 - takeoff), np.maximum(-height, 0.0) / (1 + takeoff)
