"""Locks between processes, in files; the system lifts a lock when its holder dies."""

import os
import socket
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from im2mesh.errors import UserError
from im2mesh.files.byte_locks import MAX_BYTE, lock_byte


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
        yield lock_byte(file, zlib.crc32(name.encode()) % MAX_BYTE)


@contextmanager
def only_process(path: Path, what: str) -> Iterator[None]:
    """Lock a folder for this process alone.

    Raises:
        UserError: If another process holds the lock; the message names that process.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        if not lock_byte(file, MAX_BYTE):
            file.seek(0)
            raise UserError(
                f"{what} is in use by {file.read().strip() or 'another process'}; wait for it, "
                "stop it, or choose another output_dir"
            )
        file.seek(0)
        file.truncate()
        file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        file.flush()
        yield
