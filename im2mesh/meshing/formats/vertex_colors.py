"""Colours of vertices, in whatever range a file has them."""

import numpy as np
from jaxtyping import Shaped, UInt8

_SLACK = 0.01  # of the full range, for numbers that were rounded or computed


def to_colors(
    columns: Shaped[np.ndarray, "V channels"], full: float | None = None
) -> UInt8[np.ndarray, "V 3"] | None:
    """RGB from numbers in [0, 1] or [0, 255]; None if they cannot be colours.

    Colours change no geometry, so those that are missing, NaN or out of range are left out.

    Args:
        columns: Red, green, blue and perhaps alpha, which only helps to find the range.
        full: The value of a channel at its brightest; None: found from the values.
    """
    if columns.shape[1] < 3 or not len(columns) or not np.isfinite(columns).all():
        return None
    if full is None:
        full = 255.0 if columns.max() > 1 + _SLACK else 1.0
    if columns.min() < -_SLACK * full or columns.max() > (1 + _SLACK) * full:
        return None
    return np.clip(np.rint(columns[:, :3] / full * 255.0), 0, 255).astype(np.uint8)
