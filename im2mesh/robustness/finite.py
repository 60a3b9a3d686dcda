"""Numbers that are none, as of weights that have diverged, stop a measurement."""

import math
from collections.abc import Callable
from pathlib import Path

from im2mesh.data.sequences import Window
from im2mesh.errors import UserError
from im2mesh.models.solver_errors import SolverError


def finite_numbers(
    run: Path, window: Window, measure: Callable[[], dict[str, float]]
) -> dict[str, float]:
    """What is measured in a window of a run.

    Raises:
        UserError: If its motion cannot be solved or a number is not finite, naming which.
    """
    try:
        numbers = measure()
    except SolverError as error:
        raise UserError(f"{run}: window {window}: {error}") from error
    wrong = [f"{metric} is {number:g}" for metric, number in numbers.items()
             if not math.isfinite(number)]  # fmt: skip
    if wrong:
        raise UserError(
            f"{run}: window {window}: {', '.join(wrong)}; its weights have diverged: train it "
            "again with a lower training.learning_rate, or leave it out"
        )
    return numbers
