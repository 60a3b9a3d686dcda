"""Memory-mapped access to the arrays inside npz files. Knows no meaning of what it maps."""

import functools
import struct
import warnings
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from im2mesh.errors import UserError

LOCAL_HEADER_SIZE = 30  # fixed part of a zip member's local header, APPNOTE.TXT section 4.3.7
ZIP_READ_ERRORS = (zipfile.BadZipFile, struct.error, EOFError, OSError, ValueError)


class StorageError(UserError):
    """A data file is missing, damaged, or lacks an array. The message names the file."""


class MissingArrayError(StorageError):
    """The file is intact but holds no array of that name."""


@dataclass(frozen=True)
class ArrayLocation:
    """Where one array lies inside a file; `offset` is None if the member is compressed."""

    offset: int | None
    shape: tuple[int, ...]
    dtype: np.dtype
    fortran_order: bool


def map_array(path: str | Path, member: str) -> np.ndarray:
    """Map one array of an npz file without reading it.

    Only the pages of the rows that are indexed later are read from disk. A compressed member
    cannot be mapped; it is decompressed as a whole, with a warning.

    Args:
        path: An npz file.
        member: Name of the array in it, without `.npy`.

    Returns:
        A read-only array.

    Raises:
        StorageError: If the file is missing, is not an intact npz file, or has no such array.
    """
    path = str(path)
    location = locate_array(path, member)
    if location.offset is None:
        return _decompress(path, member)
    if 0 in location.shape:
        return np.empty(location.shape, location.dtype)
    return np.memmap(
        path,
        dtype=location.dtype,
        mode="r",
        offset=location.offset,
        shape=location.shape,
        order="F" if location.fortran_order else "C",
    )


def locate_array(path: str, member: str) -> ArrayLocation:
    """Find an array's bytes, remembering the answer until the file changes on disk."""
    try:
        status = Path(path).stat()
    except FileNotFoundError as error:
        raise StorageError(f"{path} does not exist") from error
    return _locate(path, member, status.st_mtime_ns, status.st_size)


@functools.lru_cache(maxsize=1 << 17)
def _locate(path: str, member: str, _mtime_ns: int, file_size: int) -> ArrayLocation:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if f"{member}.npy" not in names:
                found = ", ".join(name.removesuffix(".npy") for name in names)
                raise StorageError(
                    f"{path} has no array '{member}'; it holds: {found or 'nothing'}"
                )
            location = _read_headers(archive, f"{member}.npy")
    except StorageError:
        raise
    except ZIP_READ_ERRORS as error:
        raise StorageError(
            f"{path} is not an intact npz file ({error}); copy or create it again"
        ) from error
    size = location.dtype.itemsize * int(np.prod(location.shape, dtype=np.int64))
    if location.offset is not None and location.offset + size > file_size:
        raise StorageError(
            f"{path} is cut short: '{member}' needs {size} bytes from {location.offset}, "
            f"the file has {file_size}; copy or create it again"
        )
    return location


def _read_headers(archive: zipfile.ZipFile, name: str) -> ArrayLocation:
    info = archive.getinfo(name)
    with archive.open(info) as member:
        version = np.lib.format.read_magic(member)
        read_header = (
            np.lib.format.read_array_header_1_0
            if version == (1, 0)
            else np.lib.format.read_array_header_2_0
        )
        shape, fortran_order, dtype = read_header(member)
        npy_header_size = member.tell()
    if dtype.hasobject:
        raise ValueError(f"array '{name}' holds Python objects, which are never loaded")
    if info.compress_type != zipfile.ZIP_STORED:
        return ArrayLocation(None, shape, dtype, fortran_order)
    with Path(archive.filename or "").open("rb") as file:
        file.seek(info.header_offset + LOCAL_HEADER_SIZE - 4)
        name_size, extra_size = struct.unpack("<HH", file.read(4))
    start = info.header_offset + LOCAL_HEADER_SIZE + name_size + extra_size
    return ArrayLocation(start + npy_header_size, shape, dtype, fortran_order)


def _decompress(path: str, member: str) -> np.ndarray:
    warnings.warn(
        f"{path}: '{member}' is compressed and is read as a whole for every sample; "
        "re-save the data with numpy.savez for speed",
        stacklevel=3,
    )
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return arrays[member]
    except (*ZIP_READ_ERRORS, KeyError) as error:
        raise StorageError(f"{path}: cannot decompress '{member}' ({error})") from error
