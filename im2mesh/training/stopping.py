"""Ending a training on request, once its present step is finished."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType


@dataclass
class StopRequest:
    requested: bool = False


GRACE = 60
"""Seconds for which a worker goes on after SIGTERM."""


def outlive_signals(_worker: int) -> None:
    """Let a worker survive signals: terminals and schedulers signal all processes, but the parent
    still needs its workers. One that hangs, on a lost file system, ends after `GRACE` seconds."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "alarm"):  # Windows sends no signal to end a process
        signal.signal(signal.SIGTERM, lambda _number, _frame: signal.alarm(GRACE))


@contextmanager
def stop_on_signal() -> Iterator[StopRequest]:
    """Turn the first Ctrl-C or SIGTERM into a request to stop; a second Ctrl-C stops at once."""
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
