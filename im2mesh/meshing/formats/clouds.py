"""XYZ and PCD: point clouds, read as meshes without faces."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from im2mesh.meshing.formats.arrays import Arrays
from im2mesh.meshing.formats.lines import read_rows, to_text

_NO_FACES = np.zeros((0, 3), np.int32)
_KINDS = {"I": "i", "U": "u", "F": "f"}
_COLORS = ("rgb", "rgba")
_KEYS = ("VERSION", "FIELDS", "SIZE", "TYPE", "COUNT", "WIDTH", "HEIGHT", "VIEWPOINT", "POINTS")


def read_xyz(path: Path) -> Arrays:
    """Read rows of x y z, of x y z and a colour or a normal, or of x y z, colour and normal.

    Three whole numbers from 0 to 255 are a colour, unless all rows hold unit vectors. Normals are
    not read. Lines that start with # or // are comments.
    """
    lines = to_text(path.read_bytes()).split("\n")
    rows = [line for line in map(str.strip, lines) if line and not line.startswith(("#", "//"))]
    if not rows:
        raise ValueError("it holds no points")
    width = len(rows[0].split())
    if width not in (3, 6, 9):
        raise ValueError(
            f"its first row is {rows[0][:40]!r}, expected 3, 6 or 9 numbers: x y z, then a colour "
            "or a normal or both"
        )
    for row in rows:
        if len(row.split()) != width:
            raise ValueError(f"its row {row[:40]!r} has not {width} numbers, as the first has")
    table = read_rows("\n".join(rows)).columns(0, width)
    return table[:, :3], _NO_FACES, _colors_of_rows(table[:, 3:6])


def _colors_of_rows(columns: Float[np.ndarray, "N columns"]) -> UInt8[np.ndarray, "N 3"] | None:
    if columns.shape[1] < 3 or not ((columns >= 0) & (columns <= 255)).all():
        return None
    are_normals = np.allclose(np.linalg.norm(columns, axis=1), 1.0, atol=1e-3)
    if are_normals or (columns != np.rint(columns)).any():
        return None
    return columns.astype(np.uint8)


@dataclass(frozen=True)
class _Header:
    """What stands before the points of a PCD file, and where they start."""

    row: np.dtype
    count: int
    storage: str
    start: int


def read_pcd(path: Path) -> Arrays:
    """Read the positions and colours of a PCD file (Point Cloud Library, version 0.7).

    The viewpoint only says where the sensor was: positions are those of the file.
    """
    content = path.read_bytes()
    header = _parse_header(content)
    if header.storage == "binary":
        size = header.count * header.row.itemsize
        if len(content) != header.start + size:
            raise ValueError(
                f"it has {len(content)} bytes, but its points need {header.start + size}"
            )
        table = np.frombuffer(content, header.row, header.count, header.start)
    else:
        table = _read_text(to_text(content[header.start :]), header)
    positions = np.stack([table[axis].astype(np.float64) for axis in "xyz"], axis=1)
    return positions, _NO_FACES, _packed_colors(table)


def _parse_header(content: bytes) -> _Header:
    found = re.search(rb"^DATA[ \t]+(\w+)[ \t]*\r?\n", content, re.MULTILINE)
    if found is None:
        raise ValueError("its header has no line DATA")
    entries: dict[str, list[str]] = {}
    for line in content[: found.start()].decode("utf-8", "replace").splitlines():
        words = line.split("#")[0].split()
        if words and (words[0] not in _KEYS or words[0] in entries):
            raise ValueError(f"its header has the line {line[:40]!r}, which is unknown or double")
        if words:
            entries[words[0]] = words[1:]
    storage = found.group(1).decode().lower()
    if storage == "binary_compressed":
        raise ValueError(
            "its points are compressed (binary_compressed), which is not supported; convert it "
            "with pcl_convert_pcd_ascii_binary to binary"
        )
    if storage not in ("ascii", "binary"):
        raise ValueError(f"its points are stored as {storage!r}, expected ascii or binary")
    return _Header(_row_type(entries), _num_points(entries), storage, found.end())


def _num_points(entries: dict[str, list[str]]) -> int:
    width, height = (_numbers(entries, key, 1)[0] for key in ("WIDTH", "HEIGHT"))
    count = _numbers(entries, "POINTS", 1)[0] if "POINTS" in entries else width * height
    if count != width * height:
        raise ValueError(f"it claims {count} points in {height} rows of {width}")
    return count


def _row_type(entries: dict[str, list[str]]) -> np.dtype:
    """The numbers of one point; columns called _ are padding."""
    names = entries.get("FIELDS", [])
    kinds, sizes = entries.get("TYPE", []), _numbers(entries, "SIZE", len(names))
    counts = _numbers(entries, "COUNT", len(names)) if "COUNT" in entries else [1] * len(names)
    if len(kinds) != len(names) or not set(kinds) <= set(_KINDS):
        raise ValueError("its header must give each field one TYPE out of I, U and F")
    fields = []
    for k, (name, kind, size, count) in enumerate(zip(names, kinds, sizes, counts, strict=True)):
        if size not in (1, 2, 4, 8) or not 0 < count < 2**16:
            raise ValueError(f"its field {name!r} cannot have SIZE {size} and COUNT {count}")
        shape = () if count == 1 else (count,)
        fields.append((f"{k}" if name == "_" else name, f"<{_KINDS[kind]}{size}", shape))
    row = np.dtype(fields)
    if not all(axis in _names(row) and row[axis].shape == () for axis in "xyz"):
        raise ValueError(f"its fields are {' '.join(names)[:80]}, expected x, y and z among them")
    return row


def _numbers(entries: dict[str, list[str]], key: str, length: int) -> list[int]:
    words = entries.get(key, [])
    if len(words) != length or not all(re.fullmatch(r"\d{1,15}", word) for word in words):
        raise ValueError(f"its header must have a line {key} with {length} whole numbers")
    return [int(word) for word in words]


def _read_text(text: str, header: _Header) -> dict[str, np.ndarray]:
    """The columns that are read, in the types that the header names."""
    row = header.row
    rows = read_rows(text)
    if len(rows) != header.count:
        raise ValueError(f"it has {len(rows)} rows of points, {header.count} expected")
    values = rows.values
    widths = [int(np.prod(row[name].shape)) for name in _names(row)]
    if (rows.lengths != sum(widths)).any():
        raise ValueError(f"it has {values.size} numbers, {sum(widths)} expected in each row")
    table = values.reshape(header.count, sum(widths))
    starts = dict(zip(_names(row), np.cumsum([0, *widths]), strict=False))
    columns = {axis: table[:, starts[axis]] for axis in "xyz"}
    for name in _COLORS:
        if name in starts and row[name].shape == ():
            packed = _as_type(table[:, starts[name]], row[name])
            columns |= {} if packed is None else {name: packed}
    return columns


def _as_type(values: Float[np.ndarray, " N"], dtype: np.dtype) -> np.ndarray | None:
    """Numbers of a text in the type of a field that packs bits into them; None if a number does
    not fit, such as NaN, from which a text cannot bring the bits back."""
    if dtype.kind == "f":
        return values.astype(dtype) if (np.abs(values) <= np.finfo(dtype).max).all() else None
    least = -(2.0 ** (8 * dtype.itemsize - 1)) if dtype.kind == "i" else 0.0
    if not ((values >= least) & (values < least + 2.0 ** (8 * dtype.itemsize))).all():
        return None
    whole = values.astype(np.int64 if dtype.kind == "i" else np.uint64)
    return whole.astype(f"<u{dtype.itemsize}")


def _names(row: np.dtype) -> tuple[str, ...]:
    return row.names or ()


def _packed_colors(table: Mapping[str, np.ndarray] | np.ndarray) -> UInt8[np.ndarray, "N 3"] | None:
    """Colours, whose bytes (blue, green, red, alpha) a field packs into one number."""
    names = _names(table.dtype) if isinstance(table, np.ndarray) else tuple(table)
    for name in _COLORS:
        if name in names and table[name].ndim == 1 and table[name].dtype.itemsize == 4:
            packed = np.ascontiguousarray(table[name]).view("u1").reshape(-1, 4)
            return packed[:, 2::-1].copy()
    return None
