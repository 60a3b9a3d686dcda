"""Memory-mapped access to the arrays inside npz files, whatever the arrays mean."""

import functools
import mmap
import os
import stat
import threading
import warnings
import zlib
from collections.abc import Callable, Hashable, Mapping
from typing import Generic, NamedTuple, TypeVar

import numpy as np

from im2mesh.errors import Advice, UserError, is_refused_by_system
from im2mesh.files.npz import ArrayLocation, NpzError, locate_arrays, read_arrays, read_checksums
from im2mesh.files.npz_directory import locate_in_memory
from im2mesh.files.open_files import most_open_files

T = TypeVar("T")

_WITHOUT_WAITING = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
"""How files are opened: a pipe is refused at once; Windows does not translate the ends of lines."""

_KEPT_OPEN = min(most_open_files() // 8, 4096)
"""How many files stay open. Each has two descriptors, so three quarters of those that the system
allows are left to others."""


class StorageError(UserError):
    """A data file is missing, damaged, or lacks an array. The message names the file."""


class AbsentFileError(StorageError):
    """There is no such file, or it was replaced or removed while it was opened."""


class FileVersion(NamedTuple):
    """A file in its present state; what is remembered of a version holds until the file changes."""

    path: str
    mtime_ns: int
    size: int
    inode: int

    @classmethod
    def of(cls, path: str, status: os.stat_result) -> "FileVersion":
        return cls(path, status.st_mtime_ns, status.st_size, status.st_ino)


class FrameVersion(NamedTuple):
    """One of the frames that a file in its present state holds."""

    file: FileVersion
    place: int


class Remembered(Generic[T]):
    """What was learnt of files, or of parts of them, as long as they stay as they are.

    Args:
        size: How much is kept; what was learnt first is forgotten first.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._known: dict[Hashable, T] = {}
        self._lock = threading.Lock()

    def get(self, version: Hashable, learn: Callable[[], T]) -> T:
        """What is known of a version, or else what `learn` returns."""
        known = self._known.get(version)
        if known is None:
            known = learn()
            with self._lock:
                self._known[version] = known
                if len(self._known) > self.size:
                    del self._known[next(iter(self._known))]
        return known

    def cache_clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._known.clear()


def open_arrays(path: str) -> "StoredArrays":
    """The arrays of one npz file. Recent files stay open, since a sample reads most files twice.

    Raises:
        StorageError: If the file is missing or is not an intact npz file.
    """
    try:
        return _open_file(path).arrays()
    except FileNotFoundError as error:
        raise AbsentFileError(f"{path} does not exist") from error
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

    def __init__(self, path: str) -> None:
        self.path = path
        self._descriptor = os.open(path, os.O_RDONLY | _WITHOUT_WAITING)
        try:
            status = os.fstat(self._descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise NpzError("it is no regular file")
            self.version, self._links = FileVersion.of(path, status), status.st_nlink
            self._bytes = mmap.mmap(self._descriptor, 0, access=mmap.ACCESS_READ)
            self._table = _TABLES.get(self.version, self._read_table)
        except BaseException:
            self.close()
            raise

    def __del__(self) -> None:
        self.close()

    def __contains__(self, member: str) -> bool:
        return member in self._table.locations

    def __getitem__(self, member: str) -> np.ndarray:
        """The array of that name, read-only.

        Raises:
            StorageError: If the file has no array of that name.
        """
        location = self.location(member)
        if location.offset is None:
            return _decompress(self.path, member)
        flat = np.frombuffer(self._bytes, location.dtype, location.size, location.offset)
        return flat.reshape(location.shape, order="F" if location.fortran_order else "C")

    def names(self) -> tuple[str, ...]:
        """The names of the arrays, in the order of the file."""
        return tuple(self._table.locations)

    def location(self, member: str) -> ArrayLocation:
        """Where an array lies, and its shape, without reading it.

        Raises:
            StorageError: If the file has no array of that name.
        """
        if member not in self._table.locations:
            found = ", ".join(self._table.locations) or "nothing"
            raise StorageError(
                f"{self.path} has no array '{member}'; it holds: {found}; write it as docs/data.md "
                "says"
            )
        return self._table.locations[member]

    def checksums(self) -> dict[str, int]:
        """Name of every member of the file, such as points.npy -> its CRC-32, as the file tells it.

        Raises:
            NpzError: If the directory of the file cannot be read.
        """
        if self._table.has_others:
            return read_checksums(self.path)
        return {f"{name}.npy": where.checksum for name, where in self._table.locations.items()}

    def is_intact(self, member: str) -> bool:
        """Whether an array is still what was written. All of it is read, which samples never do."""
        location = self.location(member)
        if location.offset is None:
            return True  # its checksum is compared whenever it is read
        start, end = location.offset - location.head_size, location.offset + location.num_bytes
        return zlib.crc32(memoryview(self._bytes)[start:end]) == location.checksum

    def is_current(self) -> bool:
        """Whether the file is what it was when it was opened.

        This asks the open file and not the folder, which over a network takes a round trip. A file
        that another one has replaced has lost a name, and so a link.
        """
        try:
            status = os.fstat(self._descriptor)
        except OSError:  # of a file that was removed on another machine
            return False
        return (FileVersion.of(self.path, status), status.st_nlink) == (self.version, self._links)

    def close(self) -> None:
        """Forget the file; arrays that were handed out stay readable."""
        descriptor, self._descriptor = getattr(self, "_descriptor", -1), -1
        if descriptor >= 0:
            os.close(descriptor)

    def _read_table(self) -> "_Table":
        """Find the arrays in the file.

        Raises:
            NpzError: If the file is damaged.
            StorageError: If it changed since it was opened: locations and bytes must be of one
                state.
        """
        found = locate_in_memory(self._bytes)
        table = _Table(locate_arrays(self.path), True) if found is None else _Table(found, False)
        if len(self._bytes) != self.version.size or not self.is_current():
            raise AbsentFileError(f"{self.path} changed while it was opened; run again")
        return table


class _Table(NamedTuple):
    """The arrays in a file: name -> location, and whether it may hold other things, too."""

    locations: Mapping[str, ArrayLocation]
    has_others: bool


class _OpenFile:
    """A file that stays open; it is opened again once it has changed."""

    def __init__(self, path: str) -> None:
        self._arrays = StoredArrays(path)

    def arrays(self) -> StoredArrays:
        if not self._arrays.is_current():
            self._arrays = StoredArrays(self._arrays.path)
        return self._arrays


@functools.lru_cache(maxsize=_KEPT_OPEN)
def _open_file(path: str) -> _OpenFile:
    return _OpenFile(path)


_TABLES: Remembered[_Table] = Remembered(1 << 17)


def close_files() -> None:
    """Close the files that stay open, so that those that are removed free their place at once."""
    _open_file.cache_clear()


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
