"""A quick way to find the arrays of an npz file in memory, for files as numpy writes them.

`npz.locate_arrays` understands and judges every file, but opening an archive and its members with
zipfile takes a millisecond, which is most of the time of a sample that is read for the first time.
Here a file is read only if it is plainly of the usual kind. Of any other, odd or damaged, nothing
is said: the caller asks the judge.
"""

import functools
import io
import mmap
import zlib
from collections.abc import Iterator
from struct import Struct
from typing import NamedTuple

import numpy as np

from im2mesh.files.npy_header import MAX_HEADER, ArrayLocation, check_claims, read_header

_END = Struct("<4s4H2LH")  # of the directory; APPNOTE.TXT section 4.3.16
_ENTRY = Struct("<4s6H3L5H2L")  # of the directory, section 4.3.12
_LOCAL = Struct("<4s5H3L2H")  # header before a member, section 4.3.7
_LOCATOR = 20  # bytes of what precedes the end of a directory of more than 4 GB, section 4.3.15
_SIZES_ELSEWHERE = 0xFFFFFFFF  # they stand in a field for large files
_NEWEST_VERSION = 45  # of the format; numpy asks for it, since a member might be large
_PREAMBLE = 10  # bytes of an .npy file before its header, in version 1.0 of that format


class _Member(NamedTuple):
    """A stored member, and where its content lies in the file."""

    name: str
    start: int
    size: int
    checksum: int


def locate_in_memory(content: bytes | mmap.mmap) -> dict[str, ArrayLocation] | None:
    """Name -> location of every array, as `locate_arrays` finds them; None if it must be asked.

    Args:
        content: The whole file.
    """
    members = _list_members(content)
    if members is None:
        return None
    found = {}
    for member in members:
        location = _locate(content, member)
        if location is None:
            return None
        found[member.name.removesuffix(".npy")] = location
    return found


def _list_members(content: bytes | mmap.mmap) -> list[_Member] | None:
    """The members in the order of the file; None unless they follow each other without a doubt."""
    end = len(content) - _END.size
    if end < _LOCATOR:
        return None
    signature, disk, first_disk, here, count, size, start, comment = _END.unpack_from(content, end)
    is_usual = signature == b"PK\5\6" and disk == first_disk == comment == 0 and here == count
    if not is_usual or start + size != end or content[end - _LOCATOR :][:4] == b"PK\6\7":
        return None
    members, position = [], 0
    for member in _read_entries(content[start:end], content, start):
        if member is None or member.start < position:
            return None
        position = member.start + member.size
        members.append(member)
    is_whole = len(members) == count == len({member.name for member in members})
    return members if is_whole and position <= start else None


def _read_entries(
    directory: bytes, content: bytes | mmap.mmap, limit: int
) -> Iterator[_Member | None]:
    """The members that a directory lists, each compared with the header before it; None for one
    that is not as usual, which is the last.

    Args:
        limit: Where the directory starts: members end before.
    """
    position = 0
    while position < len(directory):
        if position + _ENTRY.size > len(directory):
            yield None
            return
        entry = _ENTRY.unpack_from(directory, position)
        signature, _, version, flags, method, _, _, checksum, packed, size = entry[:10]
        name_size, extra_size, comment_size, disk, _, _, offset = entry[10:]
        position += _ENTRY.size + name_size
        name = directory[position - name_size : position]
        is_usual = signature == b"PK\1\2" and version <= _NEWEST_VERSION and packed == size
        is_usual &= flags == method == extra_size == comment_size == disk == 0
        is_usual &= size != _SIZES_ELSEWHERE != offset and offset + _LOCAL.size <= limit
        if not (is_usual and name.endswith(b".npy") and name.isascii() and b"\0" not in name):
            yield None
            return
        start = _content_start(content, offset, name)
        if start is None or start + size > limit:
            yield None
            return
        yield _Member(name.decode(), start, size, checksum)


def _content_start(content: bytes | mmap.mmap, offset: int, name: bytes) -> int | None:
    """First byte of a member; None if the header before it is not that of this member."""
    header = _LOCAL.unpack_from(content, offset)
    signature, _, flags, method = header[:4]
    name_size, extra_size = header[9:]
    start = offset + _LOCAL.size
    found = content[start : start + name_size]
    if signature != b"PK\3\4" or flags or method or found != name:
        return None
    return start + name_size + extra_size


def _locate(content: bytes | mmap.mmap, member: _Member) -> ArrayLocation | None:
    """The array in a member; None if it is odd or damaged."""
    if member.size <= MAX_HEADER:  # zipfile checks what it reads to its end, too
        whole = content[member.start : member.start + member.size]
        if zlib.crc32(whole) != member.checksum:
            return None
    first = content[member.start : member.start + _PREAMBLE]
    if first[:8] != b"\x93NUMPY\1\0" or member.size < _PREAMBLE:
        return None
    size = _PREAMBLE + int.from_bytes(first[8:], "little")
    if size > min(member.size, MAX_HEADER):
        return None
    claimed = _parse(content[member.start : member.start + size], member.size - size)
    if claimed is None:
        return None
    shape, fortran_order, dtype = claimed
    return ArrayLocation(member.start + size, shape, dtype, fortran_order, size, member.checksum)


@functools.lru_cache(maxsize=1 << 10)  # the frames of a data set share few headers
def _parse(head: bytes, num_bytes: int) -> tuple[tuple[int, ...], bool, np.dtype] | None:
    """Shape, order and type in the head of an .npy file; None if they are none, or do not fit the
    number of bytes that follow."""
    try:
        shape, fortran_order, dtype = read_header(io.BytesIO(head))
        check_claims("", ArrayLocation(None, shape, dtype, fortran_order, len(head), 0), num_bytes)
    except Exception:  # numpy fails in many ways on damaged headers
        return None
    return shape, fortran_order, dtype
