"""What to expect of a training, in words: how long it will take, and how far it has come."""

import math
import warnings
from collections.abc import Sequence
from pathlib import Path

from im2mesh.config.schema import TrainingConfig
from im2mesh.errors import Advice

TIMED_STEPS = 10
"""Number of steps at the start of a run by which its duration is estimated."""
ROUGH_IOU = 0.6
"""IoU below which shapes are rough. Small models of synthetic bodies give featureless spindles at
0.43, and bodies with arms and legs at 0.68 and more."""
STILL_RISING = 0.05
"""Share of the missing IoU that one more interval of validation must gain to be worth a word."""


def tell_duration(
    iteration: int, seconds: float, step_seconds: float, settings: TrainingConfig
) -> str:
    """How long the rest of a training will take on this machine, and how to shorten it.

    Args:
        iteration: Number of steps done.
        seconds: Training time spent on them.
        step_seconds: Seconds that a step takes here.

    Example:
        >>> tell_duration(10, 2.0, 0.2, TrainingConfig(max_iterations=3010))
        '3000 more steps of 0.2 s: about 10 min here; training.max_iterations shortens that'
    """
    left = settings.max_iterations - iteration
    limit, key = left * step_seconds, "max_iterations"
    if settings.max_seconds is not None and settings.max_seconds - seconds < limit:
        limit, key = settings.max_seconds - seconds, "max_seconds"
        left = math.ceil(limit / step_seconds)
    return (
        f"{left} more steps of {step_seconds:.2g} s: about {_duration(limit)} here; "
        f"training.{key} shortens that"
    )


def _duration(seconds: float) -> str:
    """
    >>> [_duration(s) for s in (0.2, 100.0, 600.0, 9000.0, 900000.0)]
    ['1 s', '100 s', '10 min', '2.5 h', '10 days']
    """
    for unit, size in (("days", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.2g} {unit}"
    return f"{max(1, round(seconds))} s"


def tell_distance(ious: Sequence[tuple[int, float]]) -> str | None:
    """How far a finished training is from convergence; None if nothing speaks for that.

    Args:
        ious: Iteration and IoU of the validations of this run; empty for a model without occupancy.
    """
    if not ious:
        return None
    iou = ious[-1][1]
    if iou < ROUGH_IOU:
        return (
            f"FAR FROM CONVERGED: the validation IoU is {iou:.2f}; below {ROUGH_IOU} shapes are "
            "rough, and bodies have no limbs; set training.max_iterations higher"
        )
    if len(ious) > 1:
        since, before = ious[-2]
        if iou - before > STILL_RISING * (1 - before):
            return (
                f"not converged yet: since iteration {since}, the validation IoU rose from "
                f"{before:.3f} to {iou:.3f}; more training.max_iterations would help"
            )
    return None


def warn_of_rough_shapes(best_score: float, model_file: str | Path) -> None:
    """Warn of weights that give rough shapes.

    Args:
        best_score: Best validation score of their training. It is an IoU if it is not negative
            (see `validation.CRITERIA`).
        model_file: File of the weights.
    """
    if 0 <= best_score < ROUGH_IOU:
        warnings.warn(
            f"the best validation IoU of {model_file} is {best_score:.2f}; below {ROUGH_IOU} "
            "shapes are rough, and bodies have no limbs: train for more iterations",
            Advice,
            stacklevel=3,
        )
