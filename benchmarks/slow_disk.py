"""A disk at the other end of a network: every look at a name under a folder takes a while.

Over a network, opening a file, asking for its size and listing a folder wait for an answer each,
while content that was read once comes from memory. So calls that name a path sleep here, and calls
that name an open file do not.
"""

import builtins
import io
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

CALLS = (
    (os, "open"),
    (os, "stat"),
    (os, "lstat"),
    (os, "scandir"),
    (os, "listdir"),
    (io, "open"),
    (builtins, "open"),
)


@contextmanager
def slow_disk(root: Path, latency: float) -> Iterator[list[str]]:
    """Let calls wait that name a path under a folder.

    Args:
        latency: Seconds that each of these calls waits.

    Returns:
        The calls so far: name of the function and path.
    """
    calls: list[str] = []
    place = str(root)

    def waiting(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def wait_and_call(path: Any = ".", *args: Any, **options: Any) -> Any:
            if isinstance(path, str | os.PathLike) and os.fspath(path).startswith(place):
                calls.append(f"{name} {os.fspath(path)}")
                if latency:
                    time.sleep(latency)
            return call(path, *args, **options)

        return wait_and_call

    with ExitStack() as stack:
        for module, name in CALLS:
            slow = waiting(name, getattr(module, name))
            stack.enter_context(mock.patch.object(module, name, slow))
        yield calls
