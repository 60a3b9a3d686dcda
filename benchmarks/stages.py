"""Where the time of a training step and of a window goes: seconds, operations and bytes by stage.

A step is cut between its stages: the output of a stage is detached, and its gradient is passed to
the stage before by hand, so that the backward pass has the same stages. The computation is that of
training, without gradient clipping and the optional parts of the loss.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from benchmarks.machine import wait
from benchmarks.workloads import Workplace, one_batch, window_task
from im2mesh.build import build_trainer
from im2mesh.data.batch import Batch
from im2mesh.generation.stage_timer import StageTimer
from im2mesh.losses.terms import correspondence_loss, reconstruction_loss
from im2mesh.models.code import Code
from im2mesh.models.occupancy_flow import OccupancyFlow
from im2mesh.models.views import with_cameras
from im2mesh.training.trainer import Trainer


@dataclass(frozen=True)
class Stage:
    """What one stage costs.

    Attributes:
        seconds: Median time over runs.
        gflop: Floating-point operations of matrix products and convolutions, in billions.
        gigabytes: Billions of bytes that all operations read and write, if no cache helps.
    """

    seconds: float
    gflop: float
    gigabytes: float


def step_stages(place: Workplace, name: str, repeats: int = 2) -> dict[str, Stage]:
    """The stages of a training step of an occupancy_flow model without latent codes, in order."""
    config = place.config(name)
    trainer = build_trainer(config, place.device)

    def run(clock: "_Clock") -> None:
        with clock.stage("data"):
            batch = one_batch(config).to(place.device)
        with trainer.stepper.products():
            _staged_step(trainer, batch, clock)

    return _measure(run, place.device, repeats)


def window_stages(place: Workplace, name: str, repeats: int = 3) -> dict[str, Stage]:
    """The stages of one generated window: encode, extract, flow."""
    generator, observation, frame = window_task(place.config(name), place.device)

    def run(clock: "_Clock") -> None:
        generator.generate(observation, frame=frame, timer=clock)

    return _measure(run, place.device, repeats)


def _staged_step(trainer: Trainer, batch: Batch, clock: "_Clock") -> None:
    model, weights = trainer.model.train(), trainer.config.loss
    assert isinstance(model, OccupancyFlow)
    trainer.stepper.optimizer.zero_grad()
    with trainer.stepper.autocast():
        with clock.stage("encode"):
            codes = model.encode(with_cameras(batch.inputs, batch.cameras), batch.input_times)
        shape, motion = _cut_code(codes.shape), _cut_code(codes.motion)
        with clock.stage("solve to t = 0"):
            cut = replace(codes, shape=shape, motion=motion)
            start = model.carry_back(batch.points_t, batch.t, cut)
        arrived = start.detach().requires_grad_()
        with clock.stage("decoder"):
            loss = reconstruction_loss(
                model.occupancy_logits_0(batch.points_0, cut), batch.occupancy_0
            ) + reconstruction_loss(model.occupancy_logits_0(arrived, cut), batch.occupancy_t)
        with clock.stage("decoder, backward"):
            (weights.reconstruction * loss).backward()
        if weights.correspondence:
            with clock.stage("solve from t = 0"):
                carried = model.trajectories(batch.pointcloud[:, 0], batch.times, cut)
                error = correspondence_loss(carried[:, 1:], batch.pointcloud[:, 1:])
                weighted = error.mul(weights.correspondence)
    with clock.stage("solve to t = 0, backward"):
        start.backward(arrived.grad)
    if weights.correspondence:
        with clock.stage("solve from t = 0, backward"):
            weighted.backward()
    with clock.stage("encode, backward"):
        _hand_on({**_gradients(codes.shape, shape), **_gradients(codes.motion, motion)})
    with clock.stage("optimizer"):
        torch.nn.utils.clip_grad_norm_(model.parameters(), float("inf"))
        trainer.stepper.optimizer.step()


def _cut_code(code: Code) -> Code:
    values = {field.name: getattr(code, field.name) for field in fields(code)}
    return replace(
        code, **{k: v.detach().requires_grad_(v.requires_grad) for k, v in values.items()}
    )


def _gradients(code: Code, cut: Code) -> dict[Tensor, Tensor]:
    pairs = zip(code.tensors(), cut.tensors(), strict=True)
    return {whole: leaf.grad for whole, leaf in pairs if leaf.grad is not None}


def _hand_on(gradients: dict[Tensor, Tensor]) -> None:
    wanted = {tensor: grad for tensor, grad in gradients.items() if tensor.requires_grad}
    torch.autograd.backward(list(wanted), list(wanted.values()))


class _Clock(StageTimer):
    """Seconds of each stage of one run."""

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self.device = device

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        wait(self.device)
        started = time.perf_counter()
        yield
        wait(self.device)
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started


class _Counter(_Clock):
    """Operations and bytes of each stage of one run."""

    def __init__(self, device: torch.device) -> None:
        super().__init__(device)
        self.work: dict[str, _Work] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        with self.work.setdefault(name, _Work()):
            yield


class _Work(TorchDispatchMode):
    """Counts operations of matrix products, and bytes read and written (none by views)."""

    def __init__(self) -> None:
        super().__init__()
        self.flop = 0
        self.bytes = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        if func._overloadpacket in flop_registry:
            self.flop += flop_registry[func._overloadpacket](*args, **kwargs, out_val=result)
        if not func.is_view:
            tensors = [x for x in tree_leaves((args, kwargs, result)) if isinstance(x, Tensor)]
            self.bytes += sum(_stored_bytes(tensor) for tensor in tensors)
        return result


def _stored_bytes(tensor: Tensor) -> int:
    """Bytes that a tensor takes in memory: an expanded dimension counts once."""
    count = 1
    for size, stride in zip(tensor.shape, tensor.stride(), strict=True):
        count *= size if stride else 1
    return count * tensor.element_size()


def _measure(
    run: Callable[[_Clock], object], device: torch.device, repeats: int
) -> dict[str, Stage]:
    counter = _Counter(device)
    run(counter)  # also the warm-up
    timed = [_Clock(device) for _ in range(repeats)]
    for clock in timed:
        run(clock)
    return {
        name: Stage(
            statistics.median(clock.seconds[name] for clock in timed),
            work.flop / 1e9,
            work.bytes / 1e9,
        )
        for name, work in counter.work.items()
    }
