"""Memory-mapped access to the arrays inside npz files. Knows no meaning of what it maps."""

import functools
import mmap
import os
import struct
import warnings
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from im2mesh.errors import UserError

LOCAL_HEADER_SIZE = 30  # fixed part of a zip member's local header, APPNOTE.TXT section 4.3.7
READ_ERRORS = (zipfile.BadZipFile, struct.error, EOFError, OSError, ValueError)


class StorageError(UserError):
    """A data file is missing, damaged, or lacks an array. The message names the file."""


@dataclass(frozen=True)
class ArrayLocation:
    """Where one array lies inside a file; `offset` is None if the member is compressed."""

    offset: int | None
    shape: tuple[int, ...]
    dtype: np.dtype
    fortran_order: bool

    @property
    def size(self) -> int:
        """Number of elements, exact however large a header claims the array to be."""
        count = 1
        for length in self.shape:
            count *= length
        return count


class FileVersion(NamedTuple):
    """A file as it is now: what is known of it holds until it changes on disk."""

    path: str
    mtime_ns: int
    size: int
    inode: int


def open_arrays(path: str) -> "StoredArrays":
    """The arrays of one npz file. Files opened lately are still open: a sample reads most twice.

    Raises:
        StorageError: If the file is missing or is not an intact npz file.
    """
    try:
        status = os.stat(path)  # noqa: PTH116 - on the path of every sample
        return _open_arrays(FileVersion(path, status.st_mtime_ns, status.st_size, status.st_ino))
    except FileNotFoundError as error:
        raise StorageError(f"{path} does not exist") from error
    except READ_ERRORS as error:
        if isinstance(error, StorageError):
            raise
        raise StorageError(
            f"{path} is not an intact npz file ({error}); copy or create it again"
        ) from error


class StoredArrays:
    """The arrays of one npz file, mapped and not read: only pages that are indexed are loaded.

    A compressed member cannot be mapped; it is decompressed as a whole, with a warning.

    Attributes:
        version: The file as it was opened.
    """

    def __init__(self, version: FileVersion) -> None:
        self.version = version
        self.path = version.path
        self._locations = _locate_arrays(version)
        with open(self.path, "rb") as file:  # noqa: PTH123 - on the path of every sample
            self._bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    def __contains__(self, member: str) -> bool:
        return member in self._locations

    def __getitem__(self, member: str) -> np.ndarray:
        """A read-only array.

        Raises:
            StorageError: If the file has no array of that name.
        """
        if member not in self._locations:
            found = ", ".join(self._locations) or "nothing"
            raise StorageError(f"{self.path} has no array '{member}'; it holds: {found}")
        location = self._locations[member]
        if location.offset is None:
            return _decompress(self.path, member)
        flat = np.frombuffer(self._bytes, location.dtype, location.size, location.offset)
        return flat.reshape(location.shape, order="F" if location.fortran_order else "C")


@functools.lru_cache(maxsize=64)  # every one holds a file descriptor
def _open_arrays(version: FileVersion) -> StoredArrays:
    return StoredArrays(version)


@functools.lru_cache(maxsize=1 << 17)
def _locate_arrays(version: FileVersion) -> Mapping[str, ArrayLocation]:
    """Name -> location."""
    path, file_size = version.path, version.size
    with zipfile.ZipFile(path) as archive, Path(path).open("rb") as file:
        members = [info for info in archive.infolist() if info.filename.endswith(".npy")]
        locations = {
            info.filename.removesuffix(".npy"): _locate(archive, info, file) for info in members
        }
    for name, location in locations.items():
        end = (location.offset or 0) + location.size * location.dtype.itemsize
        if location.offset is not None and end > file_size:
            raise StorageError(
                f"{path} is cut short: '{name}' ends at byte {end}, the file at {file_size}; "
                "copy or create it again"
            )
    return locations


def _locate(archive: zipfile.ZipFile, info: zipfile.ZipInfo, file: IO[bytes]) -> ArrayLocation:
    with archive.open(info) as member:
        version = np.lib.format.read_magic(member)
        read_header = (
            np.lib.format.read_array_header_1_0
            if version == (1, 0)
            else np.lib.format.read_array_header_2_0
        )
        shape, fortran_order, dtype = read_header(member)
        header_size = member.tell()
    if dtype.hasobject:
        raise ValueError(f"'{info.filename}' holds Python objects, which are never loaded")
    if info.compress_type != zipfile.ZIP_STORED:
        return ArrayLocation(None, shape, dtype, fortran_order)
    file.seek(info.header_offset + LOCAL_HEADER_SIZE - 4)
    name_size, extra_size = struct.unpack("<HH", file.read(4))
    start = info.header_offset + LOCAL_HEADER_SIZE + name_size + extra_size
    return ArrayLocation(start + header_size, shape, dtype, fortran_order)


def _decompress(path: str, member: str) -> np.ndarray:
    warnings.warn(
        f"{path}: '{member}' is compressed and is read as a whole for every sample; "
        "re-save the data with numpy.savez for speed",
        stacklevel=3,
    )
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return arrays[member]
    except (*READ_ERRORS, zlib.error) as error:
        raise StorageError(f"{path}: cannot decompress '{member}' ({error})") from error
