"""One update of the weights, or the reason why there was none."""

import math
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import torch
from torch import nn

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
from im2mesh.training.optimizer import make_optimizer
from im2mesh.training.precision import choose_precision
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
            explain_out_of_memory(WHAT_TO_LOWER),
        ):
            return self._step(batch, iteration, rate)

    def _step(self, batch: Batch, iteration: int, rate: float) -> StepReport:
        started = time.monotonic()
        self.model.train()
        self.model.take_nfe()
        parts, values = self._forward(batch, iteration)
        nfe_forward = self.model.take_nfe()
        norm = self._backward(parts, values)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        nfe_backward = self.model.take_nfe()
        means = dict(zip(values, self.processes.mean(list(values.values())), strict=True))
        elapsed = time.monotonic() - started
        return StepReport(means, rate, norm, nfe_forward, nfe_backward, elapsed)

    def _forward(self, batch: Batch, iteration: int) -> tuple[LossParts, dict[str, float]]:
        """The parts of the loss, and their values. If one process fails, all do, since the others
        would wait for its gradients."""
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
        # one read for all, since the host waits for a GPU at each
        found = torch.stack([part.detach() for part in parts.values()]).tolist() if parts else []
        values = dict(zip(parts, found, strict=True))
        wrong = [name for name, value in values.items() if not math.isfinite(value)]
        if wrong:
            failure = f"the loss is not finite: {', '.join(wrong)}"
        (any_failed,) = self.processes.largest([float(bool(failure))])
        if any_failed:
            raise StepError(failure, values)
        return parts, values

    def _backward(self, parts: LossParts, values: dict[str, float]) -> float:
        """Compute the averaged gradients and clip them; returns their norm before clipping."""
        self.optimizer.zero_grad(set_to_none=True)
        try:
            with explain_solver_failure(self.config.ode):
                torch.stack(list(parts.values())).sum().backward()
        except SolverError as error:
            is_alone = self.processes.ranks.world_size == 1  # others wait for the gradients
            raise StepError(
                f"in the backward pass, {error}", values, known_to_all=is_alone
            ) from error
        return self._clip(values)

    def _clip(self, values: dict[str, float]) -> float:
        """Clip the averaged gradient, equal in all processes; returns its norm before clipping."""
        weights = dict(self.model.named_parameters())
        gradients = {name: w.grad for name, w in weights.items() if w.grad is not None}
        norm = torch.nn.utils.get_total_norm(list(gradients.values()))
        value = norm.item()
        if not math.isfinite(value):
            wrong = [name for name, gradient in gradients.items() if not gradient.isfinite().all()]
            where = f"of {len(wrong)} weights, the first {wrong[0]}" if wrong else "as a whole"
            raise StepError(f"the gradient is not finite (norm {value:g}) {where}", values)
        if limit := self.config.training.gradient_clip:
            torch.nn.utils.clip_grads_with_norm_(list(weights.values()), limit, norm)
        return value

    @contextmanager
    def _statistics_restored_on_failure(self) -> Iterator[None]:
        """Put running statistics back if a step fails: its forward pass has changed them."""
        buffers = list(self.model.buffers())
        before = [buffer.clone() for buffer in buffers]
        try:
            yield
        except StepError:
            for buffer, value in zip(buffers, before, strict=True):
                buffer.copy_(value)
            raise

    def products(self) -> AbstractContextManager:
        """Set the precision of fp32 matrix products, for a whole step."""
        return products_in("high" if self.precision.name == "tf32" else "highest")

    def autocast(self) -> AbstractContextManager:
        """Set the precision of the networks, for the forward pass of a step."""
        enabled = self.precision.name == "bf16"
        return torch.autocast(self.device_type, torch.bfloat16, enabled=enabled)
