"""One update of the weights, or the reason why there was none."""

import math
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn

from im2mesh.config.schema import Config, LossConfig
from im2mesh.data.batch import Batch
from im2mesh.losses.objective import compute_loss_parts
from im2mesh.losses.terms import LossParts
from im2mesh.machine.memory import explain_out_of_memory
from im2mesh.machine.processes import Processes, average_gradients
from im2mesh.models.flow.solver_errors import SolverError, explain_solver_failure
from im2mesh.models.layers.batch_norm import synchronize_batch_norm
from im2mesh.models.layers.precision import products_in
from im2mesh.models.sequence_model import SequenceModel
from im2mesh.randomness import StepRandomness, step_randomness
from im2mesh.training.compilation import compile_networks, explain_missing_compiler
from im2mesh.training.optimizer import make_optimizer
from im2mesh.training.precision import choose_precision
from im2mesh.training.recording import (
    Outcome,
    Recording,
    obstacle_to_recording,
    solver_decides,
)
from im2mesh.training.reports import StepReport

WHAT_TO_LOWER = (
    "lower training.batch_size, data.num_points or data.num_correspondence_points, or set "
    "ode.gradient to adjoint"
)


class StepError(Exception):
    """The loss or gradient of a step is not finite, or its flow cannot be solved.

    Attributes:
        loss_parts: Parts of the loss in this process, as far as they are known.
        known_to_all: Whether all processes raise this error; if not, the others wait for this one.

    The message is empty if only another process failed.
    """

    def __init__(
        self, reason: str, loss_parts: dict[str, float], *, known_to_all: bool = True
    ) -> None:
        super().__init__(reason)
        self.loss_parts = loss_parts
        self.known_to_all = known_to_all


class StepLoss(nn.Module):
    """Model and losses as one module, which DistributedDataParallel can wrap."""

    def __init__(self, model: SequenceModel, weights: LossConfig) -> None:
        super().__init__()
        self.model = model
        self.weights = weights

    def forward(self, batch: Batch, randomness: StepRandomness) -> LossParts:
        return compute_loss_parts(self.model, batch, self.weights, randomness)


class Stepper:
    """Updates the weights of a model.

    With several processes, each takes an equal part of a batch, and gradients are averaged over
    all. For losses that are means over a batch, this gives the gradient of the whole batch.

    Attributes:
        precision: Precision in which the networks compute, equal in all processes.
        compiled: What is compiled, in words; empty without `training.compile`.
    """

    def __init__(self, model: SequenceModel, config: Config, processes: Processes) -> None:
        self.model = model
        self.config = config
        self.processes = processes
        device = next(model.parameters()).device
        self.device_type = device.type
        self.precision = processes.from_main(choose_precision(config.training.precision, device))
        self._is_synchronized = config.training.sync_batch_norm and processes.ranks.world_size > 1
        if self._is_synchronized:
            synchronize_batch_norm(model)
        self.optimizer = make_optimizer(model, config.training)
        self.loss = average_gradients(
            StepLoss(model, config.loss),
            processes.ranks,
            some_may_rest=config.loss.motion_share < 1
            or ("occupancy" in model.answers and not config.loss.reconstruction),
        )
        # as they were before the step; a recording writes to these tensors, too
        self._statistics = [buffer.clone() for buffer in model.buffers()]
        self._solver_decides = solver_decides(model, config)
        obstacle = obstacle_to_recording(model, config, processes.ranks.world_size)
        self._records = config.training.compile and not obstacle
        self._recording: Recording | None = None
        self.compiled = ""
        if config.training.compile:
            names = compile_networks(model)
            how = f"not recorded: {obstacle}" if obstacle else "recorded as a CUDA graph"
            self.compiled = f"; compiled: {' and '.join(names) or 'nothing'}; steps are {how}"

    def step(self, batch: Batch, iteration: int, rate: float) -> StepReport:
        """Update the weights once.

        Args:
            batch: This process's part of the batch.
            iteration: Number of steps done before; with the seed, it decides all random draws.
            rate: Learning rate.

        Raises:
            StepError: In all processes (see `known_to_all`), if the loss or gradient of one is not
                finite, or its flow cannot be solved; weights and statistics stay as they were.
            OutOfMemoryError: If the device has too little memory.
        """
        with (
            self.products(),
            self._statistics_restored_on_failure(),
            explain_missing_compiler(),
            explain_out_of_memory(WHAT_TO_LOWER),
        ):
            return self._step(batch, iteration, rate)

    def _step(self, batch: Batch, iteration: int, rate: float) -> StepReport:
        started = time.monotonic()
        self.model.train()
        outcome = self._pass_through(batch, iteration)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self._skip_update_unless_finite(outcome.values)
        self.optimizer.step()  # before the host reads the outcome, so that a GPU need not wait
        losses, norm = self._read(outcome)
        means = dict(zip(losses, self.processes.mean(list(losses.values())), strict=True))
        elapsed = time.monotonic() - started
        nfe = outcome.nfe_forward, outcome.nfe_backward
        return StepReport(means, rate, norm, *nfe, elapsed)

    def _pass_through(self, batch: Batch, iteration: int) -> Outcome:
        """Forward and backward pass: recorded before, if that is possible, or else as written."""
        if not self._records:
            return self._passes(batch, iteration)
        if self._recording is None or not self._recording.fits(batch):
            record = partial(self._passes, iteration=iteration)
            self._recording = None  # frees its memory before the next takes as much
            self._recording = Recording(self.model, record, batch)
        return self._recording.replay(batch)

    def _passes(self, batch: Batch, iteration: int) -> Outcome:
        for value, buffer in zip(self._statistics, self.model.buffers(), strict=True):
            value.copy_(buffer)
        self.model.take_nfe()
        parts, losses = self._forward(batch, iteration)
        nfe_forward = self.model.take_nfe()
        norm = self._backward(parts, losses)
        values = torch.stack([*(part.detach() for part in parts.values()), norm])
        return Outcome(tuple(parts), values, nfe_forward, self.model.take_nfe())

    def _skip_update_unless_finite(self, values: Float[Tensor, "N"]) -> None:
        """Let the optimizer leave the weights as they are if a value, in any process, is not
        finite: what torch.amp.GradScaler tells a fused optimizer in the same way."""
        is_wrong = (~values.isfinite().all()).float()
        self.optimizer.found_inf = self.processes.largest_on_device(is_wrong)  # type: ignore[attr-defined]

    def _forward(self, batch: Batch, iteration: int) -> tuple[LossParts, dict[str, float]]:
        """The parts of the loss, and their values as far as they are read. If one process fails,
        all do, since the others would wait for its gradients."""
        training, rank = self.config.training, self.processes.ranks.rank
        randomness = step_randomness(training.seed, iteration, rank, len(batch.t))
        parts, failure = {}, ""
        try:
            with self.autocast():
                parts = self.loss(batch, randomness)
        except SolverError as error:
            if self._is_synchronized:  # the others already wait inside a batch norm
                raise StepError(str(error), {}, known_to_all=False) from error
            failure = str(error)
        self._agree(failure, {})
        if not self._solver_decides:
            return parts, {}
        # torchdiffeq's solvers have read from a GPU already, and on the way back they would fail
        # over what is not finite, without the other processes knowing
        values = torch.stack([part.detach() for part in parts.values()]).tolist()
        losses = dict(zip(parts, values, strict=True))
        self._refuse_not_finite(losses)
        return parts, losses

    def _backward(self, parts: LossParts, losses: dict[str, float]) -> Float[Tensor, ""]:
        """Compute the averaged gradients and clip them; returns their norm before clipping."""
        self.optimizer.zero_grad(set_to_none=True)
        try:
            with explain_solver_failure(self.config.ode):
                torch.stack(list(parts.values())).sum().backward()
        except SolverError as error:
            is_alone = self.processes.ranks.world_size == 1  # others wait for the gradients
            raise StepError(
                f"in the backward pass, {error}", losses, known_to_all=is_alone
            ) from error
        weights = [weight for weight in self.model.parameters() if weight.grad is not None]
        gradients = [weight.grad for weight in weights if weight.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        if limit := self.config.training.gradient_clip:
            # a norm that is not finite would spoil the gradients that are, before they are named
            finite = norm.nan_to_num(nan=0.0, posinf=0.0)
            torch.nn.utils.clip_grads_with_norm_(weights, limit, finite)
        return norm

    def _read(self, outcome: Outcome) -> tuple[dict[str, float], float]:
        """The values of the loss and of the gradient's norm, which must be finite.

        Unless a solver decides about its steps, this is the only place where the host waits for a
        GPU.
        """
        *values, norm = outcome.values.tolist()
        losses = dict(zip(outcome.names, values, strict=True))
        self._refuse_not_finite(losses)
        if not math.isfinite(norm):
            raise StepError(f"{self._wrong_gradients()} (norm {norm:g})", losses)
        return losses, norm

    def _refuse_not_finite(self, losses: dict[str, float]) -> None:
        wrong = [name for name, value in losses.items() if not math.isfinite(value)]
        self._agree(f"the loss is not finite: {', '.join(wrong)}" if wrong else "", losses)

    def _agree(self, failure: str, losses: dict[str, float]) -> None:
        """Raise an error in all processes if one has failed."""
        (any_failed,) = self.processes.largest([float(bool(failure))])
        if any_failed:
            raise StepError(failure, losses)

    def _wrong_gradients(self) -> str:
        wrong = [
            name
            for name, weight in self.model.named_parameters()
            if weight.grad is not None and not weight.grad.isfinite().all()
        ]
        where = f"of {len(wrong)} weights, the first {wrong[0]}" if wrong else "as a whole"
        return f"the gradient is not finite {where}"

    @contextmanager
    def _statistics_restored_on_failure(self) -> Iterator[None]:
        """Put running statistics back if a step fails: its forward pass has changed them."""
        try:
            yield
        except StepError:
            for buffer, value in zip(self.model.buffers(), self._statistics, strict=True):
                buffer.copy_(value)
            raise

    def products(self) -> AbstractContextManager:
        """Set the precision of fp32 matrix products, for a whole step."""
        return products_in("high" if self.precision.name == "tf32" else "highest")

    def autocast(self) -> AbstractContextManager:
        """Set the precision of the networks, for the forward pass of a step."""
        enabled = self.precision.name == "bf16"
        return torch.autocast(
            self.device_type, torch.bfloat16, enabled=enabled, cache_enabled=not self._records
        )
