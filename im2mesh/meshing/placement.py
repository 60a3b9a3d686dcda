"""Whether points have about the size and the place that they should have."""

import numpy as np
from jaxtyping import Float

FACTOR = 10
"""Of size or distance: no likely prediction reaches it; inches, centimetres and millimetres do"""
UNIT_CUBE = np.array([[-0.5] * 3, [0.5] * 3])
"""Two corners of the cube that the body of a window's first frame fills, in its own frame"""


def misplacement(
    points: Float[np.ndarray, "N 3"], reference: Float[np.ndarray, "M 3"]
) -> str | None:
    """How points differ from a reference: "1000 times as large as", for example; None if not much.

    Compared are their boxes: the longest sides, and the centres.
    """
    if len(points) == 0 or len(reference) == 0:
        return None
    (size, center), (expected, place) = _box(points), _box(reference)
    if size == 0 or expected == 0:
        return None
    if size > FACTOR * expected:
        return f"{_rounded(size / expected)} times as large as"
    if expected > FACTOR * size:
        return f"{_rounded(expected / size)} times smaller than"
    distance = float(np.linalg.norm(center - place)) / expected
    return f"{_rounded(distance)} times its size away from" if distance > FACTOR else None


def _rounded(number: float) -> str:
    """Two digits: boxes of a surface and of samples of it differ a little."""
    return f"{float(f'{number:.2g}'):g}"


def _box(points: Float[np.ndarray, "N 3"]) -> tuple[float, Float[np.ndarray, "3"]]:
    """The longest side and the centre."""
    low, high = points.min(0).astype(np.float64), points.max(0).astype(np.float64)
    return float((high - low).max()), (low + high) / 2
