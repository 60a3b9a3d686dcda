"""Windows shared out among processes that know nothing of each other but the files they leave."""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from im2mesh.data.sequences import Window
from im2mesh.files.locks import claim
from im2mesh.ranks import Ranks

PATIENCE = 0.5  # seconds until windows that others are at work on are looked at again


def for_each_window(
    windows: Sequence[Window], lock: Path, ranks: Ranks, work: Callable[[Window], None]
) -> None:
    """Have all windows finished, each by one process, whichever of these live to the end.

    A process begins with its own share and goes on with what is left of others'. It returns when
    every window is finished: where another is at work it waits, and takes over if that one dies.

    Args:
        windows: The same in all processes.
        lock: File that says who is at work on what.
        ranks: Which of the processes this is.
        work: Finishes a window, or returns at once if its files say that it is finished.
    """
    left = list(own_share_first(windows, ranks))
    while left:
        in_use = []
        for window in left:
            with claim(lock, f"{window.category}/{window}") as is_mine:
                if is_mine:
                    work(window)
                else:
                    in_use.append(window)
        if len(in_use) == len(left):
            time.sleep(PATIENCE)
        left = in_use


def own_share_first(windows: Sequence[Window], ranks: Ranks) -> Iterator[Window]:
    """Of n processes, the r-th begins with windows r, r + n, ..."""
    for offset in range(ranks.world_size):
        yield from windows[(ranks.rank + offset) % ranks.world_size :: ranks.world_size]
