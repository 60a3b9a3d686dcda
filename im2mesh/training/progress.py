"""Reports of a running training: a bar, lines of text, and what trackers show."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import TracebackType

import numpy as np
from jaxtyping import Float, UInt8
from tqdm import tqdm

from im2mesh.config.schema import Config, TrainingConfig
from im2mesh.errors import UserError
from im2mesh.models.sequence_model import SequenceModel
from im2mesh.runs.checkpoints import TrainingState
from im2mesh.runs.origins import Notes, tell_training
from im2mesh.training.outlook import TIMED_STEPS, tell_duration
from im2mesh.training.reference import Reference, find_reference
from im2mesh.training.reports import StepReport
from im2mesh.training.trackers.choice import open_trackers
from im2mesh.training.validation import ValidationScores


@dataclass(frozen=True)
class Drawn:
    """What a model does with some validation windows.

    Attributes:
        path: File of the still picture.
        sheet: Its pixels.
        frames: The same windows in motion, one after the other.
        fps: Frames a second of the motion.
        displacements: "predicted" and "true" -> how far points have moved from the first frame to
            the last, in units of the first true mesh; missing where points are not followed.
    """

    path: Path
    sheet: UInt8[np.ndarray, "H W 3"]
    frames: UInt8[np.ndarray, "T h w 3"]
    fps: float
    displacements: Mapping[str, Float[np.ndarray, "N"]]


Draw = Callable[[SequenceModel, int, str], Drawn]
"""(model, iteration, origin of the model) -> pictures."""


class Progress:
    """The reports of one training. Processes other than the main one show and write nothing.

    Args:
        logs: Folder of the event files.
        iteration: Number of steps done before; older entries beyond this step are hidden.
        settings: Settings of the training, which say how long it is.
        is_main: Whether this is the main process.
        draw: Function that draws a picture of what a model does; None for no pictures.
    """

    def __init__(
        self,
        logs: Path,
        iteration: int,
        settings: TrainingConfig,
        is_main: bool,
        draw: Draw | None = None,
    ) -> None:
        self._settings = settings
        self._draw = draw
        self._reference: Reference | None = None
        self._step_ends: list[float] = []  # of the first steps
        self._log = open_trackers(settings, logs, iteration) if is_main else None
        self._bar = tqdm(
            total=settings.max_iterations, initial=iteration, desc="train", unit="it",
            mininterval=1, disable=not is_main,
        )  # fmt: skip

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._bar.close()
        if self._log is not None:
            self._log.close(failed=kind is not None and issubclass(kind, Exception))

    def advance(self, iteration: int, seconds: float) -> None:
        """Count a step. After the first ones, tell how long the training will take.

        Args:
            iteration: Number of steps done.
            seconds: Training time spent on them.
        """
        self._bar.update()
        if len(self._step_ends) == TIMED_STEPS:
            return
        self._step_ends.append(time.monotonic())
        if len(self._step_ends) == TIMED_STEPS and iteration < self._settings.max_iterations:
            step_seconds = statistics.median(b - a for a, b in pairwise(self._step_ends))
            self.say(tell_duration(iteration, seconds, step_seconds, self._settings))

    def say(self, text: str) -> None:
        if self._log is not None:
            tqdm.write(text)

    def tell_origin(self, config: Config, origins: Notes) -> None:
        """Show beside the curves what trains, and the score of weights that ship, if they compare.

        Args:
            config: Configuration of the run.
            origins: Notes of its training; the last one is that of now.
        """
        if self._log is not None:
            self._log.text("origin", tell_training(origins))
            self._reference = find_reference(config, origins[-1]["dataset"])

    def log_step(
        self, iteration: int, report: StepReport, data_time: float, used: float, num_skipped: int
    ) -> None:
        """Log a step, and show its loss in the bar.

        Args:
            data_time: Seconds that the step waited for its batch.
            used: Share of the budget that is used up.
            num_skipped: Number of batches that the run has left out.
        """
        scalars = {
            **{f"loss/{name}": value for name, value in report.loss_parts.items()},
            "loss/total": report.loss,
            "optimizer/learning_rate": report.learning_rate,
            "optimizer/gradient_norm": report.gradient_norm,
            "nfe/forward": report.nfe_forward,
            "nfe/backward": report.nfe_backward,
            "time/data": data_time,
            "time/step": report.step_time,
            "training/skipped_batches": num_skipped,
        }
        self._add(scalars, iteration)
        parts = {name: f"{value:.4g}" for name, value in report.loss_parts.items()}
        self._bar.set_postfix({"loss": f"{report.loss:.4f}", **parts}, refresh=False)
        if used > 0:
            self._bar.total = round(iteration / used)  # an estimate if the budget is in seconds

    def log_validation(self, iteration: int, scores: ValidationScores, is_best: bool) -> None:
        self._add(_of_validation(scores.means), iteration)
        if self._log is not None and self._reference is not None:
            other = self._reference
            self._log.reference(other.name, _of_validation(other.scores), iteration)
        self.say(f"iteration {iteration}: validation {scores}{' (best)' if is_best else ''}")

    def visualize(self, model: SequenceModel, state: TrainingState) -> None:
        """Draw a picture of what the model does, if it is time for one; say where it is, and log
        it."""
        if (
            self._draw is None
            or self._log is None
            or state.iteration % self._settings.visualize_every
        ):
            return
        try:
            drawn = self._draw(model, state.iteration, tell_training(state.origins))
        except UserError as error:  # a flow that is not solved yet, which is no reason to stop
            self.say(f"iteration {state.iteration}: no picture: {error}")
            return
        self.say(f"iteration {state.iteration}: picture {drawn.path}")
        self._log.image("validation", drawn.sheet, state.iteration)
        self._log.video("validation/moving", drawn.frames, drawn.fps, state.iteration)
        for name, lengths in drawn.displacements.items():
            self._log.histogram(f"displacement/{name}", lengths, state.iteration)

    def _add(self, scalars: dict[str, float], iteration: int) -> None:
        if self._log is not None:
            self._log.scalars(scalars, iteration)


def _of_validation(scores: Mapping[str, float]) -> dict[str, float]:
    return {f"validation/{name}": value for name, value in scores.items()}
