"""A lock on one byte of a file: a record lock of POSIX, or one of Windows."""

import os
from typing import IO

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None
    import msvcrt

MAX_BYTE = 2**31 - 1
"""Last byte that can be locked on every system. The file need not be so long."""


def lock_byte(file: IO, byte: int) -> bool:
    """Try to lock one byte of a file for this process.

    Closing the file, or the death of the process, lifts the lock. A lock of Windows also keeps
    others from reading the byte, so lock one behind the content.

    Args:
        file: File that is open for writing.
        byte: Number of the byte, up to `MAX_BYTE`.

    Returns:
        Whether no other process holds the lock.
    """
    try:
        if fcntl is not None:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, byte)
        else:
            os.lseek(file.fileno(), byte, os.SEEK_SET)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # pyright: ignore
    except (BlockingIOError, PermissionError):  # the two ways systems say "held by another"
        return False
    return True
