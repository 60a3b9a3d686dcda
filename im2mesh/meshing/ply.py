"""Binary PLY, read and written as whole arrays (Turk, The PLY Polygon File Format, 1994)."""

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int, UInt8

_TYPES = {
    "char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4",
    "float": "f4", "double": "f8", "int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2",
    "int32": "i4", "uint32": "u4", "float32": "f4", "float64": "f8",
}  # fmt: skip
_BYTE_ORDERS = {"binary_little_endian": "<", "binary_big_endian": ">"}

Arrays = tuple[np.ndarray, np.ndarray, np.ndarray | None]  # vertices [V, 3], faces [F, 3], colours


def write_ply(
    path: Path,
    vertices: Float[np.ndarray, "V 3"],
    faces: Int[np.ndarray, "F 3"],
    colors: UInt8[np.ndarray, "V 3"] | None,
    normals: Float[np.ndarray, "V 3"] | None,
) -> None:
    """Write little-endian binary PLY; a mesh without faces has no face element (a point cloud)."""
    columns = [(("x", "y", "z"), "float", vertices)]
    if normals is not None:
        columns.append((("nx", "ny", "nz"), "float", normals))
    if colors is not None:
        columns.append((("red", "green", "blue"), "uchar", colors))
    table = np.empty(len(vertices), [(n, "<" + _TYPES[t]) for ns, t, _ in columns for n in ns])
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {len(vertices)}"]
    for names, type_name, values in columns:
        for k, name in enumerate(names):
            table[name] = values[:, k]
            header.append(f"property {type_name} {name}")
    triangles = np.empty(len(faces), [("count", "u1"), ("corners", "<i4", 3)])
    triangles["count"], triangles["corners"] = 3, faces
    if len(faces):
        header += [f"element face {len(faces)}", "property list uchar int vertex_indices"]
    text = "\n".join([*header, "end_header", ""])
    path.write_bytes(text.encode("ascii") + table.tobytes() + triangles.tobytes())


def read_ply(path: Path) -> Arrays:
    """Read a PLY file of vertices and, optionally, triangles.

    Binary files whose first elements are the vertices and the triangles are read as whole arrays;
    the rest (text files, polygons, other elements in between) is left to trimesh.
    """
    content = path.read_bytes()
    if not content.startswith(b"ply"):
        raise ValueError("it does not start with 'ply'")
    end = content.find(b"end_header")
    if end < 0:
        raise ValueError("its header has no end_header line")
    body_start = content.index(b"\n", end) + 1
    byte_order, elements = _parse_header(content[:end].decode("ascii"))
    if byte_order is None or not _is_plain(elements):
        return _read_with_trimesh(path)
    (_, num_vertices, columns), *rest = elements
    table = _take(content, body_start, num_vertices, [(n, byte_order + t) for n, t in columns])
    faces = np.zeros((0, 3), np.int32)
    if rest:
        count, index = rest[0][2][0][1].split()
        triangle = [("count", byte_order + count), ("corners", byte_order + index, 3)]
        triangles = _take(content, body_start + table.nbytes, rest[0][1], triangle)
        if (triangles["count"] != 3).any():
            return _read_with_trimesh(path)
        faces = triangles["corners"]
    colors = [table[n] for n in ("red", "green", "blue") if n in (table.dtype.names or ())]
    return (
        np.stack([table["x"], table["y"], table["z"]], axis=1),
        faces,
        np.stack(colors, axis=1) if len(colors) == 3 and colors[0].dtype == np.uint8 else None,
    )


def _parse_header(header: str) -> tuple[str | None, list[tuple[str, int, list[tuple[str, str]]]]]:
    """Byte order (None: text); per element name, count, columns (a list's type is two words)."""
    byte_order: str | None = None
    elements: list[tuple[str, int, list[tuple[str, str]]]] = []
    for words in map(str.split, header.splitlines()):
        if words[:1] == ["format"]:
            byte_order = None if words[1] == "ascii" else _BYTE_ORDERS[words[1]]
        elif words[:1] == ["element"]:
            elements.append((words[1], int(words[2]), []))
        elif words[:2] == ["property", "list"]:
            elements[-1][2].append((words[4], f"{_TYPES[words[2]]} {_TYPES[words[3]]}"))
        elif words[:1] == ["property"]:
            elements[-1][2].append((words[2], _TYPES[words[1]]))
    return byte_order, elements


def _is_plain(elements: list[tuple[str, int, list[tuple[str, str]]]]) -> bool:
    """Vertices of scalars first, then at most faces that are one list of indices each."""
    if not elements or elements[0][0] != "vertex" or any(" " in t for _, t in elements[0][2]):
        return False
    if len(elements) == 1:
        return True
    name, _, columns = elements[1]
    return name == "face" and len(columns) == 1 and " " in columns[0][1]


def _take(content: bytes, start: int, count: int, dtype: list) -> np.ndarray:
    row = np.dtype(dtype)
    if start + count * row.itemsize > len(content):
        raise ValueError(f"it ends early: {len(content)} bytes, {count} rows expected at {start}")
    return np.frombuffer(content, row, count, start)


def _read_with_trimesh(path: Path) -> Arrays:
    import trimesh  # slow to import, rarely needed

    mesh: Any = trimesh.load(path, process=False)
    faces = getattr(mesh, "faces", np.zeros((0, 3), np.int32))
    return np.asarray(mesh.vertices), np.asarray(faces), None
