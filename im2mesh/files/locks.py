"""Who works on what: locks in files, which the system lifts when their holder dies."""

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
    """Try to be the only process, on all machines that share the folder, that works on something.

    Every name is one byte of one lock file, so a thousand names leave no thousand files. The lock
    holds among processes, not among threads of one.

    Args:
        path: The lock file; it stays.
        name: Of what is worked on.

    Returns:
        Whether nobody else holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, zlib.crc32(name.encode()))
        except (BlockingIOError, PermissionError):  # the two ways systems say "held by another"
            yield False
        else:
            yield True  # closing the file gives it back


@contextmanager
def only_process(path: Path, what: str) -> Iterator[None]:
    """Be the only process at work in a folder, or refuse.

    Raises:
        UserError: If another holds the lock, saying which.
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
