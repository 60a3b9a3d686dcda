"""Ending a run on request, at a moment that suits it."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType


@dataclass
class StopRequest:
    requested: bool = False


GRACE = 60
"""Seconds that a worker goes on after it was asked to end."""


def outlive_signals(_worker: int) -> None:
    """Let workers live on: terminals and schedulers signal whole groups, and the parent, which has
    a step to finish, ends them. One that hangs, on a file system that is gone, ends by itself."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda _number, _frame: signal.alarm(GRACE))


@contextmanager
def stop_on_signal() -> Iterator[StopRequest]:
    """Turn the first Ctrl-C (or SIGTERM) into a request; a second Ctrl-C interrupts at once."""
    request = StopRequest()

    def handle(number: int, _frame: FrameType | None) -> None:
        request.requested = True
        signal.signal(signal.SIGINT, signal.default_int_handler)
        print(f"\n{signal.Signals(number).name}: saving after this step; Ctrl-C again to abort")

    previous = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield request
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
