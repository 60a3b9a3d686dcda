"""Times within a window: 0 is its first frame, 1 its last."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from jaxtyping import Float

ROUNDING = 1e-6
"""Times that are off by less, as those computed by division are, are meant to be 0 or 1."""


def exact_ends(times: Float[np.ndarray, "S"]) -> Float[np.ndarray, "S"]:
    """The same times, the first exactly 0 and the last exactly 1 if they are so up to rounding."""
    if times.ndim != 1 or not times.size:
        return times
    rounded = times.copy()
    if abs(times[0]) < ROUNDING:
        rounded[0] = 0
    if abs(times[-1] - 1) < ROUNDING:
        rounded[-1] = 1
    return rounded


def exact_list(times: object) -> object:
    """`exact_ends` of a list of numbers; anything else is left to the checks that follow."""
    if isinstance(times, list) and all(type(value) in (int, float) for value in times):
        return [float(value) for value in exact_ends(np.array(times, np.float64))]
    return times


def check_schedule(times: Sequence[float]) -> Sequence[float]:
    """Refuse times that do not start at 0 or do not increase strictly.

    Raises:
        ValueError: If so.
    """
    if not times or times[0] != 0 or any(b <= a for a, b in pairwise(times)):
        raise ValueError("times must start at 0 and increase strictly")
    return times
