"""Locks between processes, in files; the system lifts a lock when its holder dies."""

import fcntl
import os
import socket
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from im2mesh.errors import UserError


@contextmanager
def claim(path: Path, name: str) -> Iterator[bool]:
    """Try to lock a piece of work for this process, on all machines that share the folder.

    Every name locks one byte of one file, so that a thousand names do not leave a thousand files.
    The lock holds between processes, not between the threads of one.

    Args:
        path: Path of the lock file, which stays.
        name: Name of the piece of work.

    Returns:
        Whether no other process holds the lock.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, zlib.crc32(name.encode()))
        except (BlockingIOError, PermissionError):  # the two ways systems say "held by another"
            yield False
        else:
            yield True  # closing the file lifts the lock


@contextmanager
def only_process(path: Path, what: str) -> Iterator[None]:
    """Lock a folder for this process alone.

    Raises:
        UserError: If another process holds the lock; the message names that process.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            file.seek(0)
            raise UserError(
                f"{what} is in use by {file.read().strip() or 'another process'}; wait for it, "
                "stop it, or choose another output_dir"
            ) from None
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        file.flush()
        yield
