"""Memory-mapped access to the arrays inside npz files, whatever the arrays mean."""

import functools
import mmap
import os
import warnings
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from im2mesh.errors import Advice, UserError, is_refused_by_system
from im2mesh.files.npz import ArrayLocation, NpzError, locate_arrays, read_arrays


class StorageError(UserError):
    """A data file is missing, damaged, or lacks an array. The message names the file."""


class FileVersion(NamedTuple):
    """A file in its present state; what is remembered of a version holds until the file changes."""

    path: str
    mtime_ns: int
    size: int
    inode: int


def open_arrays(path: str) -> "StoredArrays":
    """The arrays of one npz file. Recent files stay open, since a sample reads most files twice.

    Raises:
        StorageError: If the file is missing or is not an intact npz file.
    """
    try:
        status = os.stat(path)  # noqa: PTH116 - runs for every sample, and pathlib is slower
        return _open_arrays(FileVersion(path, status.st_mtime_ns, status.st_size, status.st_ino))
    except FileNotFoundError as error:
        raise StorageError(f"{path} does not exist") from error
    except (OSError, ValueError) as error:
        if isinstance(error, StorageError) or is_refused_by_system(error):
            raise
        raise StorageError(
            f"{path} is not an intact npz file ({error}); copy or create it again"
        ) from error


class StoredArrays:
    """The arrays of one npz file, mapped into memory: only pages that are used are loaded.

    A compressed member cannot be mapped; it is decompressed as a whole, with a warning.

    Attributes:
        version: State of the file when it was opened.
    """

    def __init__(self, version: FileVersion) -> None:
        self.version = version
        self.path = version.path
        self._locations = _locate_arrays(version)
        with open(self.path, "rb") as file:  # noqa: PTH123 - see `open_arrays`
            self._bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        if len(self._bytes) != version.size:
            raise StorageError(f"{self.path} changed while it was opened; run again")

    def __contains__(self, member: str) -> bool:
        return member in self._locations

    def __getitem__(self, member: str) -> np.ndarray:
        """The array of that name, read-only.

        Raises:
            StorageError: If the file has no array of that name.
        """
        if member not in self._locations:
            found = ", ".join(self._locations) or "nothing"
            raise StorageError(
                f"{self.path} has no array '{member}'; it holds: {found}; write it as docs/data.md "
                "says"
            )
        location = self._locations[member]
        if location.offset is None:
            return _decompress(self.path, member)
        flat = np.frombuffer(self._bytes, location.dtype, location.size, location.offset)
        return flat.reshape(location.shape, order="F" if location.fortran_order else "C")


@functools.lru_cache(maxsize=64)  # few, since each keeps a file descriptor
def _open_arrays(version: FileVersion) -> StoredArrays:
    return StoredArrays(version)


@functools.lru_cache(maxsize=1 << 17)
def _locate_arrays(version: FileVersion) -> Mapping[str, ArrayLocation]:
    """Name of an array -> its location in the file."""
    return locate_arrays(version.path)


def _decompress(path: str, member: str) -> np.ndarray:
    warnings.warn(
        f"{path}: '{member}' is compressed and is read as a whole for every sample; "
        "re-save the data with numpy.savez for speed",
        Advice,
        stacklevel=3,
    )
    try:
        return read_arrays(path, [member])[member]
    except NpzError as error:
        raise StorageError(f"{path}: cannot decompress '{member}' ({error})") from error
