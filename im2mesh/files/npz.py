"""The judge of npz files: checks what a file claims against its size, then allocates memory.

Members are read in place and never extracted, so their names cannot lead to another file.
"""

import io
import os
import struct
import zipfile
from collections import Counter
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import numpy as np

from im2mesh.errors import is_refused_by_system
from im2mesh.files.npy_header import (
    MAX_HEADER,
    ArrayLocation,
    NpzError,
    check_claims,
    read_header,
    silenced_numpy,
)

MAX_UNPACKED = 2**28  # bytes; a file may always unpack to so much ...
MAX_RATIO = 64  # ... or to so many times its own size; our own files are not compressed (1)
LOCAL_HEADER_SIZE = 30  # fixed part of a zip member's local header, APPNOTE.TXT section 4.3.7


def locate_arrays(
    path: str | Path, names: Collection[str] | None = None
) -> dict[str, ArrayLocation]:
    """Name -> location of arrays of a file: of those names that it has, or of all.

    All locations lie within the file.

    Raises:
        NpzError: If the file is damaged or claims more than it holds, or if one of these arrays
            holds other things than numbers.
    """
    try:
        with _open(path) as archive:
            return {
                _name(info): _locate(archive, info)
                for info in _members(archive)
                if names is None or _name(info) in names
            }
    except NpzError:
        raise
    except Exception as error:  # zipfile and numpy fail in many ways on damaged headers
        if is_refused_by_system(error):
            raise
        raise NpzError(str(error) or type(error).__name__) from error


def read_arrays(path: str | Path, names: Collection[str] | None = None) -> dict[str, np.ndarray]:
    """Read whole arrays: those of the given names that the file has, or all.

    Raises:
        NpzError: As `locate_arrays`, or if the content does not match its checksum.
    """
    found = locate_arrays(path, names)
    try:
        with _open(path) as archive:
            return {name: _read(archive, f"{name}.npy") for name in found}
    except Exception as error:  # zipfile, zlib and numpy fail in many ways
        if is_refused_by_system(error):
            raise
        raise NpzError(str(error) or type(error).__name__) from error


def read_checksums(path: str | Path) -> dict[str, int]:
    """Name of each member, such as points.npy -> its CRC-32, as the directory of the file tells it.

    Raises:
        NpzError: If the file has no directory.
    """
    try:
        with _open(path) as archive:
            return {info.filename: info.CRC for info in archive.infolist()}
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        if is_refused_by_system(error):
            raise
        raise NpzError(str(error)) from error


def _open(path: str | Path) -> zipfile.ZipFile:
    if not Path(path).is_file():  # opening a pipe would wait for ever
        raise NpzError("it is no regular file")
    return zipfile.ZipFile(path)


def _members(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    members = [info for info in archive.infolist() if info.filename.endswith(".npy")]
    name, count = max(Counter(map(_name, members)).items(), key=lambda x: x[1], default=("", 0))
    if count > 1:
        raise NpzError(f"{count} arrays have the name '{name}'")
    unpacked, limit = sum(info.file_size for info in members), _limit(_file_size(archive))
    if unpacked > limit:
        raise NpzError(f"it claims to unpack to {unpacked} bytes, at most {limit} are read")
    return members


def _name(info: zipfile.ZipInfo) -> str:
    return info.filename.removesuffix(".npy")


def _limit(file_size: int) -> int:
    return max(MAX_UNPACKED, MAX_RATIO * file_size)


def _file_size(archive: zipfile.ZipFile) -> int:
    assert archive.fp is not None
    return os.fstat(archive.fp.fileno()).st_size


def _locate(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> ArrayLocation:
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise NpzError(f"'{_name(info)}' is compressed in a way that numpy never uses")
    with archive.open(info) as member:
        head = io.BytesIO(member.read(MAX_HEADER))
    shape, fortran_order, dtype = read_header(head)
    location = ArrayLocation(None, shape, dtype, fortran_order, head.tell(), info.CRC)
    check_claims(_name(info), location, info.file_size - head.tell())
    if info.compress_type != zipfile.ZIP_STORED:
        return location
    offset = _content_start(archive, info) + head.tell()
    end = offset + location.num_bytes
    if end > _file_size(archive):
        raise NpzError(
            f"it is cut short: '{_name(info)}' ends at byte {end}, "
            f"the file at {_file_size(archive)}"
        )
    return replace(location, offset=offset)


def _content_start(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> int:
    """First byte of a stored member; its local header may be longer than the zip directory says."""
    assert archive.fp is not None
    archive.fp.seek(info.header_offset + LOCAL_HEADER_SIZE - 4)
    name_size, extra_size = struct.unpack("<HH", archive.fp.read(4))
    return info.header_offset + LOCAL_HEADER_SIZE + name_size + extra_size


def _read(archive: zipfile.ZipFile, member: str) -> np.ndarray:
    with archive.open(member) as file, silenced_numpy():
        return np.lib.format.read_array(file, allow_pickle=False)
