"""Whether points have about the size and the place that they should have."""

import warnings

import numpy as np
from jaxtyping import Float

from im2mesh.errors import Advice

FACTOR = 10
"""Of size or distance: no likely prediction reaches it; inches, centimetres and millimetres do"""
UNIT_CUBE = np.array([[-0.5] * 3, [0.5] * 3])
"""Two corners of the cube that the body of a window's first frame fills, in its own frame"""


def misplacement(
    points: Float[np.ndarray, "N 3"], reference: Float[np.ndarray, "M 3"]
) -> str | None:
    """How points differ from a reference: "1000 times as large as", for example; None if not much.

    Compared are their boxes: the longest sides, the centres, and whether they overlap.
    """
    if len(points) == 0 or len(reference) == 0:
        return None
    box, true_box = _box(points), _box(reference)
    size, expected = float(np.ptp(box, axis=0).max()), float(np.ptp(true_box, axis=0).max())
    if size == 0 or expected == 0:
        return None
    if size > FACTOR * expected:
        return f"{_rounded(size / expected)} times as large as"
    if expected > FACTOR * size:
        return f"{_rounded(expected / size)} times smaller than"
    distance = float(np.linalg.norm(box.mean(0) - true_box.mean(0))) / expected
    if distance > FACTOR:
        return f"{_rounded(distance)} times its size away from"
    is_apart = (box[0] > true_box[1]).any() or (true_box[0] > box[1]).any()
    return "wholly beside" if is_apart else None


def tell_misplaced(
    what: str, points: Float[np.ndarray, "N 3"], reference: Float[np.ndarray, "M 3"], advice: str
) -> bool:
    """Say how points differ from a reference, if they differ much; return whether they do.

    Args:
        what: Name of the points, to begin the message.
        advice: Name of the reference and the way out, to end it.
    """
    how = misplacement(points, reference)
    if how is not None:
        warnings.warn(f"{what} is {how} {advice}", Advice, stacklevel=3)
    return how is not None


def _rounded(number: float) -> str:
    """Two digits: boxes of a surface and of samples of it differ a little."""
    return f"{float(f'{number:.2g}'):g}"


def _box(points: Float[np.ndarray, "N 3"]) -> Float[np.ndarray, "2 3"]:
    """The least and the greatest coordinates."""
    return np.stack([points.min(0), points.max(0)]).astype(np.float64)
