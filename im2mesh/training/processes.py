"""The processes of one training: how they start, agree, and share what each has."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from im2mesh.ranks import Ranks

T = TypeVar("T")


@contextmanager
def process_group(ranks: Ranks, device: torch.device) -> Iterator[None]:
    """Join the processes that torchrun has started; for one process nothing is done."""
    if ranks.world_size == 1:
        yield
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    # small messages go through the CPU, so that agreeing does not wait for a GPU
    dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo")
    try:
        yield
    finally:
        dist.destroy_process_group()


def average_gradients(module: nn.Module, ranks: Ranks) -> nn.Module:
    """A module after whose backward pass every process has the mean of all gradients."""
    if ranks.world_size == 1:
        return module
    warnings.filterwarnings("ignore", message=".*find_unused_parameters=True was specified")
    # which weights take part changes from step to step (loss.motion_share)
    return DistributedDataParallel(module, find_unused_parameters=True)


class Processes:
    """What the processes of a training tell each other. One process talks to itself, at no cost."""

    def __init__(self, ranks: Ranks) -> None:
        self.ranks = ranks

    def largest(self, values: Sequence[float]) -> list[float]:
        """The largest of every value over all processes."""
        return self._reduce(values, dist.ReduceOp.MAX)

    def mean(self, values: Sequence[float]) -> list[float]:
        """The mean of every value over all processes."""
        return [x / self.ranks.world_size for x in self._reduce(values, dist.ReduceOp.SUM)]

    def gather(self, thing: T) -> list[T]:
        """What every process has, by rank; the same list in all."""
        if self.ranks.world_size == 1:
            return [thing]
        things: list[Any] = [None] * self.ranks.world_size
        dist.all_gather_object(things, thing)
        return things

    def from_main(self, thing: T) -> T:
        """What the main process has."""
        if self.ranks.world_size == 1:
            return thing
        things: list[Any] = [thing]
        dist.broadcast_object_list(things, src=0)
        return things[0]

    def _reduce(self, values: Sequence[float], operation: Any) -> list[float]:
        if self.ranks.world_size == 1:
            return list(values)
        tensor = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(tensor, operation)
        return tensor.tolist()
