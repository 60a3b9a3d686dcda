"""PLY, read and written as whole arrays (Turk, The PLY Polygon File Format, 1994)."""

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np

from im2mesh.meshing.formats.arrays import Arrays, fans, parse_numbers
from im2mesh.meshing.mesh import Mesh

_TYPES = {
    "char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4",
    "float": "f4", "double": "f8", "int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2",
    "int32": "i4", "uint32": "u4", "float32": "f4", "float64": "f8",
}  # fmt: skip
_INDEX_NAMES = ("vertex_indices", "vertex_index")
_BYTE_ORDERS = {"binary_little_endian": "<", "binary_big_endian": ">"}


def write_ply(path: Path, mesh: Mesh) -> None:
    """Write little-endian binary PLY; a mesh without faces has no face element (a point cloud)."""
    kind = "double" if mesh.vertices.dtype == np.float64 else "float"
    columns = [(("x", "y", "z"), kind, mesh.vertices)]
    if mesh.normals is not None:
        columns.append((("nx", "ny", "nz"), "float", mesh.normals))
    if mesh.colors is not None:
        columns.append((("red", "green", "blue"), "uchar", mesh.colors))
    table = np.empty(len(mesh.vertices), [(n, "<" + _TYPES[t]) for ns, t, _ in columns for n in ns])
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {len(mesh.vertices)}"]
    for names, type_name, values in columns:
        for k, name in enumerate(names):
            table[name] = values[:, k]
            header.append(f"property {type_name} {name}")
    triangles = np.empty(len(mesh.faces), [("count", "u1"), ("corners", "<i4", 3)])
    triangles["count"], triangles["corners"] = 3, mesh.faces
    if len(mesh.faces):
        header += [f"element face {len(mesh.faces)}", "property list uchar int vertex_indices"]
    text = "\n".join([*header, "end_header", ""])
    path.write_bytes(text.encode("ascii") + table.tobytes() + triangles.tobytes())


@dataclass(frozen=True)
class _Column:
    """A property of an element. A list has its length, in a type of its own, before its values."""

    name: str
    dtype: np.dtype
    count_dtype: np.dtype | None = None


@dataclass(frozen=True)
class _Element:
    name: str
    count: int
    columns: list[_Column]


def read_ply(path: Path) -> Arrays:
    """Read the vertices and faces of a PLY file; polygons become fans around their first corner.

    Nothing else is read: no further elements, and no texture that the header may name.
    """
    content = path.read_bytes()
    if not content.startswith(b"ply"):
        raise ValueError("it does not start with 'ply'")
    end = content.find(b"end_header")
    if end < 0:
        raise ValueError("its header has no end_header line")
    body_start = content.index(b"\n", end) + 1
    byte_order, elements = _parse_header(content[:end].decode("ascii"))
    if byte_order is None:
        content, body_start = parse_numbers(content[body_start:].decode("ascii")).tobytes(), 0
    found: dict[str, dict[str, np.ndarray | list]] = {}
    for element in elements:
        found[element.name], body_start = _read_element(content, body_start, element)
        if "vertex" in found and "face" in found:
            break
    return _to_arrays(found)


def _parse_header(header: str) -> tuple[str | None, list[_Element]]:
    """The byte order (None for text, whose numbers all become float64), and the elements."""
    byte_order: str | None = ""
    elements: list[_Element] = []
    for words in map(str.split, header.splitlines()):
        if words[:1] == ["format"]:
            byte_order = None if words[1] == "ascii" else _BYTE_ORDERS[words[1]]
        elif words[:1] == ["element"]:
            if byte_order == "":
                raise ValueError("its header has no format before the elements")
            if not words[2].isdecimal():
                raise ValueError(f"it cannot have {words[2]} rows of '{words[1]}'")
            elements.append(_Element(words[1], int(words[2]), []))
        elif words[:1] == ["property"]:
            elements[-1].columns.append(_parse_column(words[1:], byte_order))
    return byte_order, elements


def _parse_column(words: list[str], byte_order: str | None) -> _Column:
    def dtype(name: str) -> np.dtype:
        code = _TYPES[name]  # an unknown type is an error in a text file, too
        return np.dtype("<f8" if byte_order is None else byte_order + code)

    if words[0] == "list":
        return _Column(words[3], dtype(words[2]), dtype(words[1]))
    return _Column(words[1], dtype(words[0]))


def _read_element(
    content: bytes, start: int, element: _Element
) -> tuple[dict[str, np.ndarray | list], int]:
    """The values of each column, and the byte where the next element starts.

    If all lists are as long as in the first row, as in triangle meshes, rows are read as one array.
    """
    lengths = _list_lengths(content, start, element)
    fields, counts = [], {}
    for k, column in enumerate(element.columns):
        if column.count_dtype is None:
            fields.append((column.name, column.dtype))
            continue
        counts[f"count {k}"] = lengths[k]
        fields += [(f"count {k}", column.count_dtype), (column.name, column.dtype, (lengths[k],))]
    row = np.dtype(fields)
    size = element.count * row.itemsize
    if start + size <= len(content) and row.itemsize:
        table = np.frombuffer(content, row, element.count, start)
        if all((table[name] == length).all() for name, length in counts.items()):
            return {column.name: table[column.name] for column in element.columns}, start + size
    if not counts and row.itemsize:
        raise ValueError(
            f"it ends early: {len(content)} bytes, {element.count} rows expected at {start}"
        )
    return _read_rows(content, start, element)


def _list_lengths(content: bytes, start: int, element: _Element) -> list[int]:
    """Lengths of the lists in the first row; 0 for other columns."""
    if element.count == 0:
        return [0] * len(element.columns)
    lengths = []
    for column in element.columns:
        values, start = _read_value(content, start, column)
        lengths.append(0 if column.count_dtype is None else len(values))
    return lengths


def _read_rows(
    content: bytes, start: int, element: _Element
) -> tuple[dict[str, np.ndarray | list], int]:
    """Read rows one by one, since lists may differ in length."""
    values: dict[str, np.ndarray | list] = {column.name: [] for column in element.columns}
    for _ in range(element.count if element.columns else 0):
        for column in element.columns:
            value, start = _read_value(content, start, column)
            cast(list, values[column.name]).append(value)
    return values, start


def _read_value(content: bytes, start: int, column: _Column) -> tuple[np.ndarray, int]:
    """One value or list of one row, and the byte where the next one starts."""
    length = 1
    if column.count_dtype is not None:
        length = int(np.frombuffer(content, column.count_dtype, 1, start)[0])
        start += column.count_dtype.itemsize
    end = start + length * column.dtype.itemsize
    if length < 0 or end > len(content):
        raise ValueError(
            f"it ends early: {len(content)} bytes, {length} values expected at {start}"
        )
    return np.frombuffer(content, column.dtype, length, start), end


def _to_arrays(found: dict[str, dict[str, np.ndarray | list]]) -> Arrays:
    vertex, face = found.get("vertex", {}), found.get("face", {})
    if not {"x", "y", "z"} <= set(vertex):
        raise ValueError("it has no vertices with x, y and z")
    scalars = {name: np.reshape(values, len(values)) for name, values in vertex.items()}
    colors = [scalars[name] for name in ("red", "green", "blue") if name in scalars]
    has_colors = len(colors) == 3 and all(color.dtype == np.uint8 for color in colors)
    corners = next((face[name] for name in _INDEX_NAMES if name in face), None)
    if corners is None and face:
        raise ValueError(f"its faces have none of the columns {', '.join(_INDEX_NAMES)}")
    if corners is None:
        corners = np.zeros((0, 3), np.int32)
    if isinstance(corners, list) or corners.ndim != 2 or corners.shape[1] != 3:
        corners = fans([polygon.tolist() for polygon in corners])
    return (
        np.stack([scalars[axis] for axis in "xyz"], axis=1),
        corners,
        np.stack(colors, axis=1) if has_colors else None,
    )
