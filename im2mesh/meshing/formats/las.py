"""LAS: the clouds of laser scanners (ASPRS LAS 1.0 to 1.4), read as meshes without faces.

Read here and not by laspy, which takes minutes for some damaged headers.
"""

import struct
from pathlib import Path

import numpy as np

from im2mesh.meshing.formats.arrays import Arrays

_START = struct.Struct("<4s20xBB68xHIIBHI")
"""Signature, version, sizes of the header and of all before the points, how many records follow the
header, kind and size of a point, and how many there are."""
_PLACING = struct.Struct("<6d")
"""Steps and origin of the coordinates."""
_PLACING_AT, _COUNT_AT = 131, 247
_COMPRESSED = 128
_LEAST_SIZE = 20  # bytes of a point of the smallest kind


def read_las(path: Path) -> Arrays:
    """Read positions, as float64; nothing else that a point may have."""
    data = path.read_bytes()
    if len(data) < _PLACING_AT + _PLACING.size:
        raise ValueError("it is too short for a header of LAS")
    signature, major, minor, _, start, _, kind, size, count = _START.unpack_from(data)
    if signature != b"LASF" or major != 1:
        raise ValueError(f"it begins with {signature!r} and version {major}.{minor}, no LAS 1")
    if kind & _COMPRESSED:
        raise ValueError("its points are compressed (LAZ); convert it with laszip to plain LAS")
    if minor >= 4 and len(data) >= _COUNT_AT + 8:
        (count,) = struct.unpack_from("<Q", data, _COUNT_AT)
    if size < _LEAST_SIZE or count == 0 or start + size * count > len(data):
        raise ValueError(f"it claims {count} points of {size} bytes after {start}")
    rows = np.frombuffer(data, np.uint8, size * count, start).reshape(count, size)
    numbers = np.ascontiguousarray(rows[:, :12]).view("<i4")
    placing = np.array(_PLACING.unpack_from(data, _PLACING_AT))
    return numbers * placing[:3] + placing[3:], np.zeros((0, 3), np.int32), None
