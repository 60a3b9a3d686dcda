"""The place of this process among several, as torchrun tells it. Does not import torch."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from im2mesh.errors import UserError


@dataclass(frozen=True)
class Ranks:
    """The place of a process among all processes of a run.

    Attributes:
        rank: Number of the process, from 0. Process 0, the main one, writes the common files.
        world_size: Number of processes on all machines.
        local_rank: Number of the process on its machine, and number of its GPU.
    """

    rank: int = 0
    world_size: int = 1
    local_rank: int = 0

    @property
    def is_main(self) -> bool:
        return self.rank == 0

    def share_of(self, count: int, what: str) -> int:
        """Number of things that each process gets of `count`.

        Raises:
            UserError: If the things cannot be shared out evenly.
        """
        if count % self.world_size:
            raise UserError(
                f"{what} is {count}, which {self.world_size} processes cannot share out evenly; "
                f"choose a multiple of {self.world_size}"
            )
        return count // self.world_size


def ranks_from_environment(environment: Mapping[str, str] = os.environ) -> Ranks:
    """Read RANK, WORLD_SIZE and LOCAL_RANK, which torchrun sets; without them, one process.

    >>> ranks_from_environment({"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1"})
    Ranks(rank=5, world_size=8, local_rank=1)
    >>> ranks_from_environment({})
    Ranks(rank=0, world_size=1, local_rank=0)

    Raises:
        UserError: If only some are set, or their values do not fit together.
    """
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
    found = {name: environment[name] for name in names if name in environment}
    if not found:
        return Ranks()
    told = ", ".join(f"{name}={value}" for name, value in found.items())
    if len(found) < len(names) or not all(value.isdecimal() for value in found.values()):
        raise UserError(f"{told}: set all of {', '.join(names)} to whole numbers, or none of them")
    rank, world_size, local_rank = (int(found[name]) for name in names)
    ranks = Ranks(rank, world_size, local_rank)
    if not ranks.local_rank <= ranks.rank < ranks.world_size:
        raise UserError(f"{told}: ranks count from 0 to WORLD_SIZE - 1")
    return ranks
