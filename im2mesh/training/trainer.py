"""The training loop: step, validate, log, save, stop and resume."""

import math
import time
from dataclasses import replace
from pathlib import Path

import torch

from im2mesh.config.schema import Config
from im2mesh.config.validation import write_config
from im2mesh.data.batch import Batch, SampleDataset
from im2mesh.errors import UserError
from im2mesh.machine.cores import leave_cores_to_workers
from im2mesh.machine.determinism import deterministic_operations
from im2mesh.machine.processes import Processes
from im2mesh.machine.ranks import Ranks
from im2mesh.models.sequence_model import SequenceModel
from im2mesh.runs.checkpoints import Checkpoint, TrainingState, save_checkpoint
from im2mesh.runs.folder import RunFolder
from im2mesh.runs.origins import continued
from im2mesh.runs.provenance import Provenance
from im2mesh.runs.resuming import load_to_resume, refuse_another_run, warn_of_changes
from im2mesh.runs.snapshots import FailedPart, Snapshot, explain_failure, save_snapshot
from im2mesh.runs.weights import load_weights
from im2mesh.training.batches import training_batches, validation_batches
from im2mesh.training.optimizer import budget_used, learning_rate, load_optimizer
from im2mesh.training.outlook import tell_distance
from im2mesh.training.precision import choose_precision
from im2mesh.training.progress import Draw, Progress
from im2mesh.training.reports import StepReport
from im2mesh.training.start import load_first_weights, read_first_weights
from im2mesh.training.step import StepError, Stepper
from im2mesh.training.stopping import StopRequest
from im2mesh.training.validation import NotFiniteScoreError, validate


class TrainingError(UserError):
    """Training cannot go on as configured."""


class Trainer:
    """Trains one model in one output folder, alone or as one of several processes.

    Args:
        model: Model to train, on its device.
        training_data: Samples, indexed by the number of the draw.
        validation_data: Samples with the same windows and points every time.
        config: The whole resolved configuration; it is saved with every checkpoint.
        folder: Folder of the run, to which the main process writes.
        origin: Provenance of the training.
        ranks: Place of this process among all.
    """

    def __init__(
        self,
        model: SequenceModel,
        training_data: SampleDataset,
        validation_data: SampleDataset,
        config: Config,
        folder: RunFolder,
        origin: Provenance,
        ranks: Ranks | None = None,
    ) -> None:
        self.model = model
        self.training_data = training_data
        self.validation_data = validation_data
        self.config = config
        self.folder = folder
        self.draw: Draw | None = None  # draws pictures, if set
        self.processes = Processes(Ranks() if ranks is None else ranks)
        self.device = next(model.parameters()).device
        self.stepper = Stepper(model, config, self.processes)
        precision = self.stepper.precision.name
        self.origin = replace(origin, precision=precision)
        self.state = TrainingState(0, 0.0, -math.inf, 0, continued((), self.origin, 0), precision)
        self._saved_at = -1
        self._ious: list[tuple[int, float]] = []  # iteration and score of this run's validations

    def fit(self, exit_after: float = math.inf, stop: StopRequest | None = None) -> None:
        """Train until the budget is used up, or `exit_after` or `stop` ends this call.

        The state is saved then. An error (such as a loss that is not finite) saves nothing, so
        that the last checkpoint stays a good one.

        Args:
            exit_after: Seconds from the start of this call to its end.
            stop: Request to stop (see `stop_on_signal`).

        Raises:
            UserError: If the data cannot be read, or a step fails (TrainingError).
            OSError: If a file cannot be written; checkpoints stay as they were.
        """
        settings = self.config.training
        if self.device.type == "cpu":
            leave_cores_to_workers(settings.num_workers)
        _ = self.validation_data[0]  # broken validation data should show now, not in hours
        if self.processes.ranks.is_main:
            write_config(self.folder.config, self.config)
        first, is_idle = self.state.iteration, self._is_finished()
        with (
            deterministic_operations(settings.deterministic, self.device),
            self._progress() as progress,
        ):
            progress.say(f"precision: {self.stepper.precision}{self.stepper.compiled}")
            if is_idle:
                progress.say("nothing to do: training.max_iterations or max_seconds is used up")
            progress.visualize(self.model, self.state)  # what fails should fail now
            self._run(progress, StopRequest() if stop is None else stop, exit_after)
            ends_between = (
                self.state.iteration > first and self.state.iteration % settings.validate_every
            )
            if self._is_finished() and ends_between:
                self._validate(progress)
            if self._is_finished() and (distance := tell_distance(self._ious)):
                progress.say(distance)
            self.save_newest()

    def _run(self, progress: Progress, stop: StopRequest, exit_after: float) -> None:
        settings = self.config.training
        batches = training_batches(
            self.training_data,
            settings,
            self.processes.ranks,
            self.state.iteration,
            pin_memory=self.device.type == "cuda",
        )
        started = ticked = time.monotonic()
        while not self._is_finished():
            batch = next(batches).to(self.device)
            data_time = time.monotonic() - ticked
            report = self._try_step(batch, progress)
            if report and (
                self.state.iteration == 1 or self.state.iteration % settings.print_every == 0
            ):
                used = budget_used(self.state.iteration, self.state.seconds, settings)
                progress.log_step(
                    self.state.iteration, report, data_time, used, self.state.num_skipped
                )
            if self.state.iteration % settings.validate_every == 0:
                self._validate(progress)
            progress.visualize(self.model, self.state)
            now = time.monotonic()
            self.state.seconds, ticked = self.state.seconds + now - ticked, now
            progress.advance(self.state.iteration, self.state.seconds)
            if self.state.iteration % settings.save_every == 0 and not self._is_finished():
                self.save_newest()  # a finished state is saved by `fit`, after it was validated
            if self._is_asked_to_stop(stop.requested, now - started > exit_after):
                progress.say(f"stopping after {now - started:.0f} s, as asked")
                return

    def step(self, batch: Batch) -> StepReport:
        """Update the weights once.

        Raises:
            StepError: If the loss or the gradient is not finite, or the flow cannot be solved;
                the weights stay as they were.
        """
        rate = learning_rate(self.state.iteration, self.state.seconds, self.config.training)
        report = self.stepper.step(batch, self.state.iteration, rate)
        self.state.iteration += 1
        return report

    def save(self, path: Path, previous: Path | None = None) -> None:
        """Write a checkpoint; `previous` is the new path of an old one at `path`."""
        checkpoint = Checkpoint(
            config=self.config.model_dump(),
            model=self.model.state_dict(),
            optimizer=self.stepper.optimizer.state_dict(),
            state=self.state,
        )
        save_checkpoint(path, checkpoint, previous)

    def save_newest(self) -> None:
        """Write the newest checkpoint, and keep the one before; only in the main process."""
        if self.processes.ranks.is_main:
            is_new = self.state.iteration != self._saved_at
            self.save(self.folder.checkpoint, self.folder.previous_checkpoint if is_new else None)
            self._saved_at = self.state.iteration

    def start(self) -> None:
        """Begin anew; the main process reads the weights to start from, if any, for all."""
        first = read_first_weights(self.config) if self.processes.ranks.is_main else None
        before = load_first_weights(self.model, self.processes.from_main(first), self.config)
        self.state.origins = continued(before, self.origin, 0)

    def resume(self) -> Path | None:
        """Load the newest intact checkpoint of the folder; returns its path, None without any.

        The main process reads it for all, so that all start from the same state.

        Raises:
            CheckpointError: If it holds another model, so that going on would mix two runs, if
                there are checkpoints, but none is intact, or as `load_to_resume`.
        """
        found = None
        if self.processes.ranks.is_main:
            found = load_to_resume(self.folder)
        found = self.processes.from_main(found)
        if found is None:
            return None
        checkpoint, path = found
        refuse_another_run(checkpoint, self.config, path)
        if self.processes.ranks.is_main:
            warn_of_changes(checkpoint, self.config, self.origin, path)
        load_weights(self.model, checkpoint.model, path)
        load_optimizer(self.stepper.optimizer, checkpoint.optimizer, path)
        self.state = checkpoint.state
        self._keep_precision()
        self.state.origins = continued(self.state.origins, self.origin, self.state.iteration)
        self._saved_at = self.state.iteration
        return path

    def _keep_precision(self) -> None:
        """Go on in the precision of the loaded state, if the configuration leaves the choice."""
        if self.state.precision and self.config.training.precision == "auto":
            chosen = choose_precision(self.state.precision, self.device)
            self.stepper.precision = replace(chosen, reason="as this training began")
        self.state.precision = self.stepper.precision.name
        self.origin = replace(self.origin, precision=self.state.precision)

    def _try_step(self, batch: Batch, progress: Progress) -> StepReport | None:
        """Update the weights; None for a failed batch, if the config allows to leave it out."""
        try:
            return self.step(batch)
        except StepError as failure:
            explained = self._keep_snapshot(batch, failure)
            allowed = self.config.training.max_skipped_batches
            if self.state.num_skipped >= allowed or not failure.known_to_all:
                raise TrainingError(
                    f"{explained}; lower training.learning_rate or set training.gradient_clip, "
                    "and go on from the last checkpoint; training.max_skipped_batches leaves "
                    "such batches out"
                ) from failure
            self.state.num_skipped += 1
            self.state.iteration += 1
            progress.say(
                f"SKIPPED BATCH {self.state.num_skipped} of {allowed} allowed: {explained}"
            )
            return None

    def _keep_snapshot(self, batch: Batch, failure: StepError) -> str:
        """Save a failed step as a file; returns the failure in words."""
        part = FailedPart(str(failure), failure.loss_parts, batch.to(torch.device("cpu")))
        parts = self.processes.gather(part) if failure.known_to_all else [part]
        explained = explain_failure(parts, self.state.iteration)
        path = self.folder.snapshot(self.state.iteration)
        if self.processes.ranks.is_main or not failure.known_to_all:
            config = self.config.model_dump()
            config["training"]["precision"] = self.state.precision  # not auto: to be repeated
            snapshot = Snapshot(
                config,
                self.model.state_dict(),
                self.state.iteration,
                explained,
                tuple(part.batch for part in parts),
                self.origin.as_dict(),
            )
            save_snapshot(path, snapshot)
        return f"{explained}; to see it again: python scripts/replay_batch.py {path}"

    def _is_finished(self) -> bool:
        return budget_used(self.state.iteration, self.state.seconds, self.config.training) >= 1

    def _is_asked_to_stop(self, *reasons: bool) -> bool:
        """Whether any process has a reason to stop. All clocks are set to the latest one."""
        *asked, self.state.seconds = self.processes.largest(
            [*map(float, reasons), self.state.seconds]
        )
        return any(asked)

    def _progress(self) -> Progress:
        is_main, at = self.processes.ranks.is_main, self.state.iteration
        progress = Progress(self.folder.logs, at, self.config.training, is_main, self.draw)
        progress.tell_origin(self.config, self.state.origins)
        return progress

    def _validate(self, progress: Progress) -> None:
        ranks, batch_size = self.processes.ranks, self.config.training.batch_size
        self.processes.share_buffers(self.model)  # which a checkpoint will hold
        try:
            scores = validate(
                self.model,
                validation_batches(self.validation_data, batch_size, ranks),
                self.processes,
                threshold=self.config.validation.threshold,
                last_frame_only=self.config.evaluation.frames == "last",
            )
        except NotFiniteScoreError as error:
            raise TrainingError(
                f"validation at iteration {self.state.iteration} failed: {error}"
            ) from error
        is_best = scores.score > self.state.best_score
        progress.log_validation(self.state.iteration, scores, is_best)
        if "iou" in scores.means:
            self._ious.append((self.state.iteration, scores.means["iou"]))
        if is_best:
            self.state.best_score = scores.score
            if ranks.is_main:
                self.save(self.folder.best_checkpoint)
