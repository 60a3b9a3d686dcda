"""Scripts of this repository, started as a user starts them; they end with what runs them.

A signal may reach the study alone, as SIGTERM of a scheduler does. Then a training would go on
without it, and a second study would find its folder in use.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from types import FrameType

from im2mesh.errors import UserError

_running: set[subprocess.Popen] = set()
_is_ending = Event()


def run_script(arguments: list[str], log: Path, threads: int | None = None) -> None:
    """Run one script of this repository, and append its output to a log file.

    Raises:
        UserError: If it fails, or is ended.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    variables = ("OMP_NUM_THREADS", "IGL_NUM_THREADS", "LP_NUM_THREADS")  # PyTorch, libigl, OpenGL
    limits = dict.fromkeys(variables, str(threads)) if threads else {}
    with log.open("a") as file:
        file.write(f"\n$ python {' '.join(arguments)}\n")
        file.flush()
        process = subprocess.Popen(
            [sys.executable, *arguments],
            stdout=file,
            stderr=subprocess.STDOUT,
            env={**os.environ, **limits, "TQDM_MININTERVAL": "30"},  # seconds between bars
        )
        status = _wait_for(process)
    if status:
        raise UserError(f"{' '.join(arguments)} ended with status {status}; see {log}")


@contextmanager
def pass_on_signals() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end the scripts that run, in whichever thread, then this program.

    To be entered in the main thread, around all of a study.
    """

    def handle(_number: int, _frame: FrameType | None) -> None:
        _is_ending.set()
        for process in list(_running):
            process.terminate()
        raise KeyboardInterrupt

    previous = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        _is_ending.clear()


def _wait_for(process: subprocess.Popen) -> int:
    _running.add(process)
    try:
        if _is_ending.is_set():  # it was started just after the others were ended
            process.terminate()
        return process.wait()
    except BaseException:  # of a signal, in the main thread: a training saves, and ends
        process.terminate()
        process.wait()
        raise
    finally:
        _running.discard(process)
