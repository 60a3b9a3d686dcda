"""The training loop: step, validate, log, save, stop and resume."""

import math
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.utils.data import DataLoader
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from im2mesh.atomic import write_text
from im2mesh.checkpoints import (
    Checkpoint,
    load_checkpoint,
    load_weights,
    save_checkpoint,
)
from im2mesh.config import Config, dump_config
from im2mesh.data.batch import Batch, collate
from im2mesh.data.dataset import WindowDataset
from im2mesh.data.sequences import DataError
from im2mesh.errors import UserError
from im2mesh.models.encoders import Resnet18
from im2mesh.models.precision import products_in
from im2mesh.models.sequence_model import SequenceModel
from im2mesh.objective import compute_loss_parts
from im2mesh.run_folder import RunFolder
from im2mesh.training.optimizer import make_optimizer
from im2mesh.training.same_run import refuse_another_run
from im2mesh.training.schedule import budget_used, learning_rate
from im2mesh.training.stopping import ignore_interrupts, stop_on_signal
from im2mesh.training.threads import leave_cores_to_workers
from im2mesh.training.validation import validate


class TrainingError(UserError):
    """Training cannot go on as configured."""


@dataclass(frozen=True)
class StepReport:
    """What one step did. Times in seconds; `nfe` counts evaluations of the velocity."""

    loss_parts: dict[str, float]
    learning_rate: float
    gradient_norm: float
    nfe_forward: int
    nfe_backward: int
    step_time: float

    @property
    def loss(self) -> float:
        return sum(self.loss_parts.values())


class Trainer:
    """Trains one model in one output folder.

    Args:
        model: On its device.
        training_data: Indexed by draw.
        validation_data: The same windows and points every time.
        config: The whole resolved configuration; it is saved with every checkpoint.
        folder: Where everything is written.
    """

    def __init__(
        self,
        model: SequenceModel,
        training_data: WindowDataset,
        validation_data: WindowDataset,
        config: Config,
        folder: RunFolder,
    ) -> None:
        self.model = model
        self.training_data = training_data
        self.validation_data = validation_data
        self.config = config
        self.folder = folder
        self.device = next(model.parameters()).device
        self.optimizer = make_optimizer(model, config.training)
        self.generator = torch.Generator().manual_seed(config.training.seed)
        self.iteration = 0
        self.seconds = 0.0
        self.best_score = -math.inf

    def fit(self, exit_after: float = math.inf) -> None:
        """Train until the budget is used up, `exit_after` seconds have passed, or Ctrl-C.

        The present state is saved first. An error (a loss that is not finite, say) saves nothing,
        so that the last checkpoint stays a good one.
        """
        settings = self.config.training
        write_text(self.folder.config, dump_config(self.config))
        if self.device.type == "cpu":
            leave_cores_to_workers(settings.num_workers)
        if self._is_finished():
            tqdm.write("nothing to do: training.max_iterations or max_seconds is used up")
        _ = self.validation_data[0]  # what is wrong with it should show now, not hours later
        batches, progress = self._batches(), self._progress_bar()
        started = ticked = time.monotonic()
        first, log = self.iteration, SummaryWriter(self.folder.logs, purge_step=self.iteration + 1)
        with log, stop_on_signal() as stop, progress:
            while not (self._is_finished() or stop.requested):
                batch = next(batches).to(self.device)
                data_time = time.monotonic() - ticked
                report = self.step(batch)
                self.iteration += 1
                progress.update()
                if self.iteration == 1 or self.iteration % settings.print_every == 0:
                    self._log_step(log, progress, report, data_time)
                if self.iteration % settings.validate_every == 0:
                    self._validate(log)
                now = time.monotonic()
                self.seconds, ticked = self.seconds + now - ticked, now
                if self.iteration % settings.save_every == 0:
                    self.save(self.folder.checkpoint)
                if now - started > exit_after:
                    tqdm.write(f"stopping after {now - started:.0f} s, as asked")
                    break
            ends_between = self.iteration > first and self.iteration % settings.validate_every
            self.save(self.folder.checkpoint)
            if self._is_finished() and ends_between:
                self._validate(log)
                self.save(self.folder.checkpoint)

    def step(self, batch: Batch) -> StepReport:
        """One update of the weights.

        Raises:
            TrainingError: If the loss is not finite; the weights stay as they were.
        """
        with self.products():
            return self._step(batch)

    def _step(self, batch: Batch) -> StepReport:
        started = time.monotonic()
        self.model.train()
        rate = self._set_learning_rate()
        self.model.take_nfe()
        with self.autocast():
            parts = compute_loss_parts(self.model, batch, self.config.loss, self.generator)
        nfe_forward = self.model.take_nfe()
        values = {name: part.item() for name, part in parts.items()}
        self._refuse_not_finite(values, batch)
        self.optimizer.zero_grad(set_to_none=True)
        torch.stack(list(parts.values())).sum().backward()
        clip = self.config.training.gradient_clip or math.inf
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), clip).item()
        self._refuse_not_finite({**values, "gradient norm": norm}, batch)
        self.optimizer.step()
        nfe_backward = self.model.take_nfe()
        elapsed = time.monotonic() - started
        return StepReport(values, rate, norm, nfe_forward, nfe_backward, elapsed)

    def save(self, path: Path) -> None:
        """Write the present state."""
        checkpoint = Checkpoint(
            config=self.config.model_dump(),
            model=self.model.state_dict(),
            optimizer=self.optimizer.state_dict(),
            iteration=self.iteration,
            seconds=self.seconds,
            best_score=self.best_score,
            generator=self.generator.get_state(),
        )
        save_checkpoint(path, checkpoint)

    def load_pretrained(self) -> None:
        """Start the networks that have pretrained weights from these; for a fresh training."""
        for module in self.model.modules():
            if isinstance(module, Resnet18):
                module.load_pretrained()

    def resume(self) -> bool:
        """Go on from the folder's checkpoint, if there is one.

        Raises:
            CheckpointError: If it holds another model, so that going on would mix two runs.
        """
        path = self.folder.checkpoint
        if not path.exists():
            return False
        checkpoint = load_checkpoint(path)
        refuse_another_run(checkpoint, self.config, path)
        load_weights(self.model, checkpoint.model, path)
        self.optimizer.load_state_dict(checkpoint.optimizer)
        for group in self.optimizer.param_groups:  # a changed setting holds from here on
            group["weight_decay"] = self.config.training.weight_decay
        self.generator.set_state(checkpoint.generator)
        self.iteration = checkpoint.iteration
        self.seconds = checkpoint.seconds
        self.best_score = checkpoint.best_score
        return True

    def _batches(self) -> Iterator[Batch]:
        """Batches from the present iteration on; the k-th is the same in every run."""
        settings = self.config.training
        first, last = (
            count * settings.batch_size for count in (self.iteration, settings.max_iterations)
        )
        loader = DataLoader(
            self.training_data,
            batch_size=settings.batch_size,
            sampler=range(first, last),
            num_workers=settings.num_workers,
            collate_fn=collate,
            pin_memory=self.device.type == "cuda",
            worker_init_fn=ignore_interrupts,
        )
        try:
            yield from loader
        except DataError as error:
            # from a worker, the message is a whole traceback, whose last line is ours
            raise DataError(str(error).strip().rsplit("DataError: ", 1)[-1]) from None

    def _progress_bar(self) -> tqdm:
        total = self.config.training.max_iterations
        return tqdm(total=total, initial=self.iteration, desc="train", unit="it", mininterval=1)

    def _is_finished(self) -> bool:
        return budget_used(self.iteration, self.seconds, self.config.training) >= 1

    def _set_learning_rate(self) -> float:
        rate = learning_rate(self.iteration, self.seconds, self.config.training)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        return rate

    def products(self) -> AbstractContextManager:
        """The precision of fp32 products, for the whole of a step."""
        return products_in("high" if self.config.training.precision == "tf32" else "highest")

    def autocast(self) -> AbstractContextManager:
        """The precision of the networks, for the forward pass of a step."""
        enabled = self.config.training.precision == "bf16"
        return torch.autocast(self.device.type, torch.bfloat16, enabled=enabled)

    def _refuse_not_finite(self, values: dict[str, float], batch: Batch) -> None:
        if not all(math.isfinite(value) for value in values.values()):
            parts = ", ".join(f"{name} {value:.4g}" for name, value in values.items())
            windows = ", ".join(str(window) for window in batch.windows)
            raise TrainingError(
                f"not finite at iteration {self.iteration}: {parts}; windows: {windows}; "
                "lower training.learning_rate or set training.gradient_clip, and go on from the "
                "last checkpoint"
            )

    def _log_step(
        self, log: SummaryWriter, progress: tqdm, report: StepReport, data_time: float
    ) -> None:
        scalars = {
            **{f"loss/{name}": value for name, value in report.loss_parts.items()},
            "loss/total": report.loss,
            "optimizer/learning_rate": report.learning_rate,
            "optimizer/gradient_norm": report.gradient_norm,
            "nfe/forward": report.nfe_forward,
            "nfe/backward": report.nfe_backward,
            "time/data": data_time,
            "time/step": report.step_time,
        }
        for name, value in scalars.items():
            log.add_scalar(name, value, self.iteration)
        parts = {name: f"{value:.4g}" for name, value in report.loss_parts.items()}
        progress.set_postfix({"loss": f"{report.loss:.4f}", **parts}, refresh=False)
        used = budget_used(self.iteration, self.seconds, self.config.training)
        if used > 0:
            progress.total = round(self.iteration / used)  # of a budget in seconds, an estimate

    def _validate(self, log: SummaryWriter) -> None:
        settings = self.config.validation
        batches = DataLoader(
            self.validation_data, batch_size=self.config.training.batch_size, collate_fn=collate
        )
        scores = validate(
            self.model,
            batches,
            self.device,
            threshold=settings.threshold,
            last_frame_only=self.config.evaluation.frames == "last",
        )
        for name, value in scores.means.items():
            log.add_scalar(f"validation/{name}", value, self.iteration)
        is_best = scores.score > self.best_score
        tqdm.write(f"iteration {self.iteration}: validation {scores}{' (best)' if is_best else ''}")
        if is_best:
            self.best_score = scores.score
            self.save(self.folder.best_checkpoint)
