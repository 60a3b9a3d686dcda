"""The processes of one training: how they start, agree, and share what each has."""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed import PrefixStore, Store  # pyright: ignore[reportPrivateImportUsage]
from torch.distributed.rendezvous import rendezvous
from torch.nn.parallel import DistributedDataParallel

from im2mesh.errors import UserError
from im2mesh.ranks import Ranks

T = TypeVar("T")

SETTLING = 0.2
"""Seconds in which gloo's threads let go of their last tensors. For that they need the interpreter,
which would wait for them while it destroys the group: of runs of one step with torch 2.13, 2 of 40
hung at their end, and none of 60 with this."""


@contextmanager
def process_group(ranks: Ranks, device: torch.device) -> Iterator[None]:
    """Join the processes that torchrun has started; for one process nothing is done."""
    if ranks.world_size == 1:
        yield
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    dist.init_process_group(
        # small messages go through the CPU, so that agreeing does not wait for a GPU
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
    """Where the processes find each other's addresses, and none of an earlier start.

    torchrun may keep one store over restarts (torch 2.13 does), with the addresses of the dead. On
    one machine, the number of restarts tells starts apart; several machines count on their own.

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
    """A module after whose backward pass every process has the mean of all gradients.

    Args:
        some_may_rest: Whether there are steps in which some weights take no part.
    """
    if ranks.world_size == 1:
        return module
    return DistributedDataParallel(module, find_unused_parameters=some_may_rest)


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

    def share_buffers(self, module: nn.Module) -> None:
        """Give all processes the main one's buffers, such as running means."""
        if self.ranks.world_size > 1:
            for buffer in module.buffers():
                dist.broadcast(buffer, src=0)

    def _reduce(self, values: Sequence[float], operation: Any) -> list[float]:
        if self.ranks.world_size == 1:
            return list(values)
        tensor = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(tensor, operation)
        return tensor.tolist()
