"""See a failed training step again: python scripts/replay_batch.py RUN/failed_steps/00001234.pt

The file holds the weights, the batch and the randomness of the step. The script repeats the step at
a learning rate of 0 and tells what is not finite: inputs, weights, the first output of a network,
parts of the loss, gradients. If several processes took the step, the part of each is repeated in
turn, with its own statistics of batch norm.
"""

import argparse
import math
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path

from torch import Tensor, nn

from im2mesh.build import build_described
from im2mesh.command_line import add_device, exit_status
from im2mesh.config.schema import Config
from im2mesh.data.batch import Batch
from im2mesh.machine.devices import build_device
from im2mesh.machine.processes import Processes
from im2mesh.machine.ranks import Ranks
from im2mesh.models.sequence_model import SequenceModel
from im2mesh.runs.snapshots import load_snapshot
from im2mesh.training.step import StepError, Stepper


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("snapshot", type=Path, help="file that train.py wrote when a step failed")
    add_device(parser)
    args = parser.parse_args(arguments)
    snapshot, device = load_snapshot(args.snapshot), build_device(args.device)
    print(f"{args.snapshot}: {snapshot.reason}\nmade by code {snapshot.origin['code']}")
    for rank, batch in enumerate(snapshot.batches):
        config, model = build_described(snapshot, args.snapshot)
        print(f"\nprocess {rank}: {len(batch.windows)} windows")
        for line in _replay(model.to(device), config, batch.to(device), snapshot.iteration, rank):
            print(f"  {line}")


def _replay(
    model: SequenceModel, config: Config, batch: Batch, iteration: int, rank: int
) -> Iterator[str]:
    """Repeat the part of one process, and yield what it shows, line by line."""
    values = {field.name: getattr(batch, field.name) for field in fields(batch)}
    yield from _not_finite("input", values)
    yield from _not_finite("weights", dict(model.state_dict()))
    as_written = config.training.model_copy(update={"compile": False})  # outputs can be watched
    config = config.model_copy(update={"training": as_written})
    stepper = Stepper(model, config, Processes(Ranks(rank=rank)))
    with _watched(model) as found:
        try:
            report = stepper.step(batch, iteration, rate=0.0)
        except StepError as failure:
            parts, outcome = failure.loss_parts, f"fails again: {failure}"
        else:
            parts, outcome = report.loss_parts, "does not fail: not the same device or versions?"
    yield from found[:1] or ["output of every network: finite"]
    yield from (
        f"loss {name}: {value:.6g}{'' if math.isfinite(value) else ' <- NOT FINITE'}"
        for name, value in parts.items()
    )
    gradients = {name: weight.grad for name, weight in model.named_parameters()}
    yield from _not_finite("gradient", gradients)
    yield outcome


def _not_finite(what: str, tensors: dict[str, Tensor | None]) -> Iterator[str]:
    for name, tensor in tensors.items():
        if isinstance(tensor, Tensor) and not tensor.isfinite().all():
            count = int((~tensor.isfinite()).sum())
            yield f"{what} {name}: {count} of {tensor.numel()} values NOT FINITE"


@contextmanager
def _watched(model: nn.Module) -> Iterator[list[str]]:
    """Collect a line for each network whose output is not finite, in the order of computation."""
    found: list[str] = []

    def look(name: str, module: nn.Module, output: object) -> None:
        if isinstance(output, Tensor):
            kind = type(module).__name__
            found.extend(_not_finite(f"output of {name or 'the model'} ({kind})", {"": output}))

    hooks = [
        module.register_forward_hook(lambda m, _inputs, output, name=name: look(name, m, output))
        for name, module in model.named_modules()
    ]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()


if __name__ == "__main__":
    sys.exit(exit_status(main))
