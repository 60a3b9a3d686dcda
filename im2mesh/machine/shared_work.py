"""Work shared out among processes that see nothing of each other but their files."""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol, TypeVar, runtime_checkable

from im2mesh.machine.locks import claim
from im2mesh.machine.ranks import Ranks

PATIENCE = 0.5  # seconds between two looks at pieces on which other processes work


@runtime_checkable
class Piece(Protocol):
    """A piece of work, such as a window."""

    @property
    def id(self) -> str:
        """Unique name of the piece, the same in all processes."""
        ...


T = TypeVar("T", bound=Piece)


def for_each(pieces: Sequence[T], lock: Path, ranks: Ranks, work: Callable[[T], None]) -> None:
    """Finish all pieces, each in one process, even if some processes die.

    A process begins with its own share and goes on with what is left of the others' shares. It
    returns when every piece is finished: it waits for pieces on which another process works, and
    takes over if that process dies.

    Args:
        pieces: Pieces of work, the same in all processes.
        lock: Path of the lock file, which tells who works on what.
        ranks: Place of this process among all.
        work: Function that finishes a piece, or returns at once if the piece is finished already.
    """
    left = list(own_share_first(pieces, ranks))
    while left:
        in_use = []
        for piece in left:
            with claim(lock, piece.id) as is_mine:
                if is_mine:
                    work(piece)
                else:
                    in_use.append(piece)
        if len(in_use) == len(left):
            time.sleep(PATIENCE)
        left = in_use


def own_share_first(pieces: Sequence[T], ranks: Ranks) -> Iterator[T]:
    """All pieces: with n processes, process r begins with pieces r, r + n, ..."""
    for offset in range(ranks.world_size):
        yield from pieces[(ranks.rank + offset) % ranks.world_size :: ranks.world_size]
