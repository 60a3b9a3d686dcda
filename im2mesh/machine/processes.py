"""The processes of one training: how they start, agree, and exchange values."""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed import PrefixStore, Store  # pyright: ignore[reportPrivateImportUsage]
from torch.distributed.rendezvous import rendezvous
from torch.nn.parallel import DistributedDataParallel

from im2mesh.errors import UserError
from im2mesh.machine.ranks import Ranks

T = TypeVar("T")

SETTLING = 0.2
"""Seconds for gloo's threads to release their last tensors. They need the interpreter for that, but
it would wait for them while it destroys the group. With torch 2.13, 2 of 40 runs of one step hung
at their end without this pause, and none of 60 with it."""


@contextmanager
def process_group(ranks: Ranks, device: torch.device) -> Iterator[None]:
    """Join the processes that torchrun has started; a single process has nothing to join."""
    if ranks.world_size == 1:
        yield
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    dist.init_process_group(
        # small messages go through the CPU, so that they do not wait for a GPU
        "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo",
        store=_meeting_point(ranks),
        rank=ranks.rank,
        world_size=ranks.world_size,
    )
    try:
        yield
    finally:
        time.sleep(SETTLING)
        dist.destroy_process_group()


def _meeting_point(ranks: Ranks) -> Store:
    """The store of the addresses by which processes find each other, without those of old starts.

    torchrun may keep one store over restarts (torch 2.13 does), with addresses of dead processes.
    The number of restarts tells starts apart, but every machine counts its restarts on its own.

    Raises:
        UserError: If several machines would meet in a store that torchrun keeps.
    """
    told = os.environ.get
    store, _, _ = next(rendezvous("env://", ranks.rank, ranks.world_size))
    if told("TORCHELASTIC_USE_AGENT_STORE") != str(True):
        return store
    if int(told("LOCAL_WORLD_SIZE", ranks.world_size)) < ranks.world_size:
        raise UserError(
            "on several machines, start torchrun with TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 in its "
            "environment; otherwise processes that are started again look for those that have died"
        )
    return PrefixStore(f"start {told('TORCHELASTIC_RESTART_COUNT', 0)}", store)


def average_gradients(module: nn.Module, ranks: Ranks, *, some_may_rest: bool) -> nn.Module:
    """Wrap a module so that a backward pass gives every process the mean of all gradients.

    Args:
        some_may_rest: Whether some weights take no part in some steps.
    """
    if ranks.world_size == 1:
        return module
    return DistributedDataParallel(module, find_unused_parameters=some_may_rest)


class Processes:
    """Exchanges between the processes of a training. A single process gets its own values back."""

    def __init__(self, ranks: Ranks) -> None:
        self.ranks = ranks

    def largest(self, values: Sequence[float]) -> list[float]:
        """The largest of every value over all processes."""
        return self._reduce(values, dist.ReduceOp.MAX)

    def largest_on_device(self, value: Tensor) -> Tensor:
        """The largest of a value over all processes, for which the host does not wait."""
        if self.ranks.world_size > 1:
            dist.all_reduce(value, dist.ReduceOp.MAX)
        return value

    def mean(self, values: Sequence[float]) -> list[float]:
        """The mean of every value over all processes."""
        return [x / self.ranks.world_size for x in self._reduce(values, dist.ReduceOp.SUM)]

    def gather(self, thing: T) -> list[T]:
        """What all processes hold, by rank; every process gets the same list."""
        if self.ranks.world_size == 1:
            return [thing]
        things: list[Any] = [None] * self.ranks.world_size
        dist.all_gather_object(things, thing)
        return things

    def from_main(self, thing: T) -> T:
        """What the main process holds; every process gets it."""
        if self.ranks.world_size == 1:
            return thing
        things: list[Any] = [thing]
        dist.broadcast_object_list(things, src=0)
        return things[0]

    def share_buffers(self, module: nn.Module) -> None:
        """Copy the buffers of the main process, such as running means, to all others."""
        if self.ranks.world_size > 1:
            for buffer in module.buffers():
                dist.broadcast(buffer, src=0)

    def _reduce(self, values: Sequence[float], operation: Any) -> list[float]:
        if self.ranks.world_size == 1:
            return list(values)
        tensor = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(tensor, operation)
        return tensor.tolist()
