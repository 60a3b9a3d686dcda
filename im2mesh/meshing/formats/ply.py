"""PLY, read and written as whole arrays (Turk, The PLY Polygon File Format, 1994)."""

import re
import warnings
from pathlib import Path

import numpy as np
from jaxtyping import Shaped, UInt8

from im2mesh.errors import Advice
from im2mesh.meshing.formats.arrays import Arrays
from im2mesh.meshing.formats.lines import without_mark
from im2mesh.meshing.formats.ply_body import Lists, Table, read_body
from im2mesh.meshing.formats.ply_header import TYPES, Element, read_header
from im2mesh.meshing.formats.polygons import triangulate, unroll_strips
from im2mesh.meshing.formats.vertex_colors import to_colors
from im2mesh.meshing.mesh import Mesh

_SURFACES = ("face", "tristrips")
_INDEX_NAMES = ("vertex_indices", "vertex_index")
_COLOR_NAMES = (
    ("red", "green", "blue"),
    ("diffuse_red", "diffuse_green", "diffuse_blue"),
    ("r", "g", "b"),
)
_FULL = {"u2": 65535.0}  # of channels of 16 bits; those of other whole numbers hold bytes
_WIDE = {"i2", "u2", "i4", "u4", "i8", "u8"}  # lists of bytes are names
_LIKE_FACES = re.compile("face|tri|poly|quad|strip|fan|tet|hex|cell", re.IGNORECASE)
_LIKE_CORNERS = re.compile("vert|ind|corner", re.IGNORECASE)


def write_ply(path: Path, mesh: Mesh) -> None:
    """Write little-endian binary PLY: see `ply_bytes`."""
    path.write_bytes(ply_bytes(mesh))


def ply_bytes(mesh: Mesh) -> bytes:
    """Little-endian binary PLY; a mesh without faces has no face element (a point cloud)."""
    kind = "double" if mesh.vertices.dtype == np.float64 else "float"
    columns = [(("x", "y", "z"), kind, mesh.vertices)]
    if mesh.normals is not None:
        columns.append((("nx", "ny", "nz"), "float", mesh.normals))
    if mesh.colors is not None:
        columns.append((("red", "green", "blue"), "uchar", mesh.colors))
    table = np.empty(len(mesh.vertices), [(n, "<" + TYPES[t]) for ns, t, _ in columns for n in ns])
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
    return text.encode("ascii") + table.tobytes() + triangles.tobytes()


def read_ply(path: Path) -> Arrays:
    """Read the vertices, their colours, the faces and the triangle strips of a PLY file.

    Elements that hold no surface are dropped, and so is a texture that the header may name. What
    looks like another kind of faces is refused.
    """
    content = without_mark(path.read_bytes())
    header = read_header(content)
    _check_elements(header.elements, path)
    tables = read_body(content, header)
    found = list(zip(header.elements, tables, strict=True))
    element, table = next((e, t) for e, t in found if e.name == "vertex")
    vertices, colors = _read_vertices(table), _read_colors(element, table)
    faces = [_read_faces(e, t, vertices) for e, t in found if e.name in _SURFACES and e.count]
    return vertices, np.concatenate([np.zeros((0, 3), np.int32), *faces]), colors


def _check_elements(elements: list[Element], path: Path) -> None:
    """Nothing that holds a surface may be skipped without a word."""
    names = [element.name for element in elements]
    if "vertex" not in names:
        raise ValueError("it has no vertices with x, y and z")
    for name in ("vertex", *_SURFACES):
        if names.count(name) > 1:
            raise ValueError(f"it has more than one element {name!r}")
    for element in elements:
        _check_columns(element)
    filled = [element for element in elements if element.count]
    has_faces = any(element.name in _SURFACES for element in filled)
    for element in filled:
        if element.name in ("vertex", *_SURFACES):
            continue
        if element.name == "edge":
            if not has_faces:
                raise ValueError("it has edges and no faces, so it is no surface")
            warnings.warn(f"{path}: edges are left out; faces are read", Advice, stacklevel=2)
        elif _may_hold_faces(element, has_faces):
            raise ValueError(f"it has an element {element.name!r}, which may hold faces")
        elif any(
            column.count_dtype and column.dtype.str[1:] in _WIDE for column in element.columns
        ):
            message = f"{path}: its element {element.name!r} is left out; faces are read"
            warnings.warn(message, Advice, stacklevel=2)


def _may_hold_faces(element: Element, has_faces: bool) -> bool:
    """By its names; of a file without faces, also if it holds numbers that could be corners."""
    if _LIKE_FACES.search(element.name) or any(map(_LIKE_CORNERS.search, element.list_names)):
        return True
    whole = [column for column in element.columns if column.dtype.kind in "iu"]
    has_lists = any(column.count_dtype is not None for column in whole)
    return not has_faces and (has_lists or len(whole) == len(element.columns) > 2)


def _check_columns(element: Element) -> None:
    """Of two columns with the same meaning, it is not plain which one counts."""
    names = [column.name for column in element.columns]
    for group in (_INDEX_NAMES, ("x",), ("y",), ("z",)):
        found = [name for name in names if name in group]
        if len(found) > 1 and element.name in ("vertex", *_SURFACES):
            raise ValueError(f"its element {element.name!r} has two columns: {', '.join(found)}")


def _read_vertices(table: Table) -> Shaped[np.ndarray, "V 3"]:
    axes = _stack(table, ("x", "y", "z"))
    if axes is None:
        raise ValueError("it has no vertices with x, y and z")
    return axes


def _stack(table: Table, names: tuple[str, ...]) -> Shaped[np.ndarray, "V columns"] | None:
    """Columns of single values side by side; None if one is missing."""
    columns = [table.get(name) for name in names]
    arrays = [column for column in columns if isinstance(column, np.ndarray)]
    return np.stack(arrays, axis=1) if len(arrays) == len(names) else None


def _read_faces(
    element: Element, table: Table, vertices: Shaped[np.ndarray, "V 3"]
) -> Shaped[np.ndarray, "F 3"]:
    corners = next((table[name] for name in _INDEX_NAMES if name in table), None)
    if not isinstance(corners, Lists):
        raise ValueError(f"its faces have none of the columns {', '.join(_INDEX_NAMES)}, as lists")
    if element.name == "face":
        return triangulate(corners.values, corners.lengths, vertices)
    column = next(column for column in element.columns if column.name in _INDEX_NAMES)
    values = corners.values.astype(np.float64)
    if column.dtype.kind == "u" and column.dtype.itemsize >= 4:
        values[values == np.iinfo(column.dtype).max] = -1
    return np.concatenate(
        [
            unroll_strips(values[end - length : end])
            for length, end in zip(corners.lengths, np.cumsum(corners.lengths), strict=True)
        ]
    )


def _read_colors(element: Element, table: Table) -> UInt8[np.ndarray, "V 3"] | None:
    """The first set of channels that every vertex has; the range follows from their type."""
    types = {column.name: column.dtype for column in element.columns}
    for names in _COLOR_NAMES:
        channels = _stack(table, names)
        if channels is not None:
            full = {_full_channel(types[name]) for name in names}
            return to_colors(channels, full.pop()) if len(full) == 1 else None
    return None


def _full_channel(dtype: np.dtype) -> float | None:
    """The value of a channel at its brightest; None for fractions, whose range they tell."""
    return None if dtype.kind == "f" else _FULL.get(dtype.str[1:], 255.0)
