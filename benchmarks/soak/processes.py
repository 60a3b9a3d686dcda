"""Run a command in a process group of its own, watch what the group holds, and end it.

Everything is read from /proc, so it needs Linux and no further package.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import TracebackType

from im2mesh.errors import UserError

PROC = Path("/proc")
SECONDS_TO_DIE = 10.0  # time for workers to end after their parent
_SAMPLE_EVERY, _LOOK_EVERY = 0.5, 0.05  # seconds


class SoakError(UserError):
    """Something did not go as it should; the message names the log."""


class Stop(Enum):
    """How a training is ended."""

    INTERRUPT = "SIGINT"  # sent to the whole group, as by Ctrl-C
    TERMINATE = "SIGTERM"  # likewise, as by timeout, systemd or Slurm
    KILL = "SIGKILL"
    KILL_WORKER = "SIGKILL of a worker"

    @property
    def saves(self) -> bool:
        return self in (Stop.INTERRUPT, Stop.TERMINATE)


@dataclass(frozen=True)
class Sample:
    """What all processes of a group hold together at one moment.

    Attributes:
        time: Time on the monotonic clock, in seconds.
        memory: Anonymous and shared memory in MiB; what processes share counts once. Pages of
            files do not count: they are the system's cache, and each process's share of them
            depends on who else runs Python at the moment.
        handles: Open file descriptors.
    """

    time: float
    memory: float
    handles: int
    threads: int


def refuse_other_systems() -> None:
    rollup = PROC / "self/smaps_rollup"
    if not rollup.exists() or "Pss_Anon" not in rollup.read_text():
        raise UserError(f"the soak needs Linux: there is no {rollup} with Pss_Anon to read memory")


def group_members(group: int) -> list[int]:
    """Running processes of a group; a zombie has ended, only its status was not asked for yet."""
    members = []
    for folder in PROC.iterdir():
        if not folder.name.isdecimal():
            continue
        try:
            stat = (folder / "stat").read_text()
        except (FileNotFoundError, ProcessLookupError):  # ended since the folder was listed
            continue
        state, _parent, its_group = stat.rpartition(")")[2].split()[:3]
        if int(its_group) == group and state not in "ZX":
            members.append(int(folder.name))
    return sorted(members)


def _command(process: int) -> bytes:
    """The command line of a process; empty if it has ended."""
    try:
        return (PROC / str(process) / "cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def take_sample(group: int) -> Sample | None:
    """Sum over the processes of a group; None if one ended meanwhile, as the sum would lack it."""
    memory, handles, threads = 0.0, 0, 0
    try:
        for member in group_members(group):
            memory += _memory(member)
            handles += len(list((PROC / str(member) / "fd").iterdir()))
            threads += len(list((PROC / str(member) / "task").iterdir()))
    except (FileNotFoundError, ProcessLookupError):
        return None
    return Sample(time.monotonic(), memory, handles, threads) if threads else None


def _memory(process: int) -> float:
    lines = (PROC / str(process) / "smaps_rollup").read_text().splitlines()[1:]
    kilobytes = {name: int(value.split()[0]) for name, value in (line.split(":") for line in lines)}
    return (kilobytes["Pss_Anon"] + kilobytes["Pss_Shmem"]) / 1024


class WatchedCommand:
    """A Python command and its children, with a sample of what they hold twice a second.

    Args:
        arguments: What follows `python`.
        log: File for everything it prints.
        environment: Variables to add to the environment of this process.
    """

    def __init__(self, arguments: Sequence[str], log: Path, environment: dict[str, str]) -> None:
        self.log = log
        self.samples: list[Sample] = []
        with log.open("w") as file:
            file.write(f"$ python {' '.join(arguments)}\n")
            file.flush()
            self._process = subprocess.Popen(
                [sys.executable, *arguments],
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # its process group gets the number of the process
                env={**os.environ, **environment, "PYTHONUNBUFFERED": "1"},
            )
        self.group = self._process.pid

    def __enter__(self) -> "WatchedCommand":
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        """Leave nothing running, whatever happened."""
        if group_members(self.group):
            os.killpg(self.group, signal.SIGKILL)
        self._process.wait()
        self.count_leftovers()  # gives the others a moment to end, too

    def workers(self) -> list[int]:
        """Processes that are copies of the main one, unlike short calls such as git."""
        others = [member for member in group_members(self.group) if member != self.group]
        return [other for other in others if _command(other) == _command(self.group)]

    def run_until(self, condition: Callable[[], bool], timeout: float) -> None:
        """Watch the command until the condition holds.

        Raises:
            SoakError: If the command ends before, or the time is over.
        """
        give_up = time.monotonic() + timeout
        while not condition():
            if self._process.poll() is not None:
                raise SoakError(f"ended by itself, status {self._process.returncode}: {self.log}")
            if time.monotonic() > give_up:
                raise SoakError(f"no progress in {timeout:.0f} s: {self.log}")
            self._watch()

    def run_for(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        self.run_until(lambda: time.monotonic() >= end, seconds + 1)

    def stop(self, how: Stop) -> None:
        if how.saves:
            os.killpg(self.group, signal.Signals[how.value])
        elif how is Stop.KILL_WORKER:
            os.kill(self.workers()[0], signal.SIGKILL)
        else:
            self._process.send_signal(signal.Signals[how.value])

    def wait(self, timeout: float) -> int:
        """Watch the command to its end; returns its exit status, -9 after SIGKILL."""
        give_up = time.monotonic() + timeout
        while (status := self._process.poll()) is None:
            if time.monotonic() > give_up:
                raise SoakError(f"still running after {timeout:.0f} s: {self.log}")
            self._watch()
        return status

    def count_leftovers(self) -> int:
        """Number of processes that outlive the main one by more than `SECONDS_TO_DIE`."""
        give_up = time.monotonic() + SECONDS_TO_DIE
        while (members := group_members(self.group)) and time.monotonic() < give_up:
            time.sleep(_LOOK_EVERY)
        return len(members)

    def text(self) -> str:
        return self.log.read_text(errors="replace")

    def _watch(self) -> None:
        is_due = not self.samples or time.monotonic() - self.samples[-1].time > _SAMPLE_EVERY
        if is_due and (sample := take_sample(self.group)):
            self.samples.append(sample)
        time.sleep(_LOOK_EVERY)
