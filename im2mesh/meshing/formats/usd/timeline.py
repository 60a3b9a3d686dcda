"""Seconds as the time codes of USD, which are the frames that other programs count."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

CODES_PER_SECOND = 60.0
"""Where frames do not lie on a grid, or on one that nobody could step through."""
RATES = (1.0, 1000.0)
"""Steps of a grid that one can step through, a second."""
OFF_GRID = 1e-4
"""Of a step of the grid: frames that are off by less, as those computed in float32, lie on it."""


@dataclass(frozen=True)
class Timeline:
    """When each frame is shown.

    Attributes:
        codes: Time codes of the frames, increasing; whole numbers where frames lie on a grid.
        per_second: Time codes in a second.
    """

    codes: Float[np.ndarray, "T"]
    per_second: float

    @property
    def seconds(self) -> Float[np.ndarray, "T"]:
        return self.codes / self.per_second


def timeline_of(seconds: Float[np.ndarray, "T"]) -> Timeline:
    """The time codes of frames.

    Programs step through whole codes, so the smallest step between two frames is one code, if all
    frames then have whole codes. Otherwise codes are fractions, which USD allows.

    Example:
        >>> timeline_of(np.array([0.0, 0.1, 0.3]))
        Timeline(codes=array([0., 1., 3.]), per_second=10.0)
    """
    rate = _rate_of_grid(seconds)
    whole = np.rint(rate * seconds)
    if not RATES[0] <= rate <= RATES[1] or np.abs(rate * seconds - whole).max() > OFF_GRID:
        return Timeline(CODES_PER_SECOND * seconds, CODES_PER_SECOND)
    return Timeline(whole, rate)


def _rate_of_grid(seconds: Float[np.ndarray, "T"]) -> float:
    """Steps a second of the grid whose step is the smallest one between frames."""
    if len(seconds) == 1:
        return CODES_PER_SECOND
    length = float(seconds[-1] - seconds[0])
    rate = round(length / float(np.diff(seconds).min())) / length
    return float(round(rate)) if abs(rate - round(rate)) < 1e-9 * rate else rate
