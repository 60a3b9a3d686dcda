"""STL, binary and text: triangles without shared vertices (3D Systems, 1988).

Corners at exactly the same position are joined, in the order in which the file first names them.
So frames correspond if their files list the same triangles in the same order, and the same corners
touch in all of them.
"""

import re
import struct
from pathlib import Path

import numpy as np
from jaxtyping import Int, Shaped

from im2mesh.meshing.formats.arrays import Arrays
from im2mesh.meshing.formats.lines import read_rows, to_text, without_mark

_HEADER = 84  # bytes: 80 of any text, then the number of triangles
_TRIANGLE = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
_CODES = {
    ("solid",): "s", ("facet", "normal"): "f", ("outer", "loop"): "o", ("vertex",): "v",
    ("endloop",): "l", ("endfacet",): "e", ("endsolid",): "d",
}  # fmt: skip
_SOLIDS = re.compile("(s(fovvvle)*d)+")


def read_stl(path: Path) -> Arrays:
    """Read the triangles of an STL file. Normals and colours of triangles are not read."""
    content = path.read_bytes()
    if len(content) < _HEADER or len(content) != _expected_size(content):
        content = without_mark(content)
    corners = _read_binary(content) if _is_binary(content) else _read_text(content)
    vertices, indices = join_equal(corners.reshape(-1, 3))
    return vertices, indices.reshape(-1, 3), None


def join_equal(
    positions: Shaped[np.ndarray, "N 3"],
) -> tuple[Shaped[np.ndarray, "V 3"], Int[np.ndarray, "N"]]:
    """Each position once, in the order of its first row, and the index of each row in them."""
    if not len(positions):
        return positions, np.zeros(0, np.int64)
    positions = positions + 0.0  # -0.0 becomes 0.0
    order = np.lexsort(positions.T)  # stable: of equal rows, the first comes first
    ordered = positions[order]
    starts = np.concatenate([[True], (ordered[1:] != ordered[:-1]).any(axis=1)])
    first = order[starts]  # of each group of equal rows
    by_first = np.argsort(first)
    rank = np.empty(len(first), np.int64)
    rank[by_first] = np.arange(len(first))
    indices = np.empty(len(positions), np.int64)
    indices[order] = rank[np.cumsum(starts) - 1]
    return positions[first[by_first]], indices


def _is_binary(content: bytes) -> bool:
    """A text starts with 'solid'; so do some binary files, which zeros or their size give away."""
    if content[:200].lstrip()[:5].lower() != b"solid":
        return True
    return b"\0" in content or (len(content) >= _HEADER and len(content) == _expected_size(content))


def _expected_size(content: bytes) -> int:
    (count,) = struct.unpack_from("<I", content, 80)
    return _HEADER + count * _TRIANGLE.itemsize


def _read_binary(content: bytes) -> Shaped[np.ndarray, "F 3 3"]:
    if len(content) < _HEADER:
        raise ValueError("it is neither binary STL nor a text that starts with 'solid'")
    expected = _expected_size(content)
    if len(content) != expected:
        raise ValueError(f"it has {len(content)} bytes, but its triangles need {expected}")
    return np.frombuffer(content, _TRIANGLE, offset=_HEADER)["corners"]


def _read_text(content: bytes) -> Shaped[np.ndarray, "F 3 3"]:
    """Facets of three corners within solids, one keyword per line; names may hold anything."""
    codes, rows = [], []
    for number, line in enumerate(to_text(content).split("\n"), 1):
        words = line.split(None, 2)
        if not words:
            continue
        code = _CODES.get((words[0].lower(),))
        if code is None:
            code = _CODES.get(tuple(word.lower() for word in words[:2]))
        if code is None:
            raise ValueError(
                f"line {number} of it is no line of STL, or it ends early: {line.strip()[:40]!r}"
            )
        if code == "v":
            rows.append(line.split()[1:])
            if len(rows[-1]) != 3:
                raise ValueError(f"line {number} of it has {len(rows[-1])} numbers, expected 3")
        codes.append(code)
    if not _SOLIDS.fullmatch("".join(codes)):
        raise ValueError(
            "it is not made of solids with facets of three corners each, or it ends early"
        )
    if not rows:
        return np.zeros((0, 3, 3))
    return read_rows("\n".join(map(" ".join, rows))).values.reshape(-1, 3, 3)
