"""Triangles, positions and colours of one primitive of a glTF 2.0 mesh (section 3.7.2)."""

from typing import Any

import numpy as np
from jaxtyping import Float, Shaped, UInt8

from im2mesh.meshing.formats.gltf.accessors import read_array
from im2mesh.meshing.formats.gltf.document import Document, array, mapping

POINTS, _TRIANGLES, _STRIP, _FAN = 0, 4, 5, 6  # modes
_LINES = (1, 2, 3)


def read_positions(
    document: Document, primitive: dict[str, Any], weights: Float[np.ndarray, " N"]
) -> Shaped[np.ndarray, "V 3"]:
    """Positions, moved by the morph targets as far as their weights say (section 3.7.2.2)."""
    attributes = mapping(primitive, "attributes")
    if "POSITION" not in attributes:
        raise ValueError(
            "a part of its mesh has no positions of its own, as in files that are compressed; "
            "export it without compression"
        )
    positions = read_array(document, attributes["POSITION"], ("VEC3",))
    if not weights.any():
        return positions
    moved = positions.astype(np.float64)
    for target, weight in zip(array(primitive, "targets"), weights, strict=True):
        if weight and "POSITION" in target:
            offsets = read_array(document, target["POSITION"], ("VEC3",))
            if len(offsets) != len(moved):
                raise ValueError(f"a morph target moves {len(offsets)} of {len(moved)} vertices")
            moved += weight * offsets
    return moved


def read_corners(document: Document, primitive: dict[str, Any], num_vertices: int) -> np.ndarray:
    """The vertices that a primitive names one after the other, as int64."""
    if "indices" not in primitive:
        return np.arange(num_vertices)
    corners = read_array(document, primitive["indices"], ("SCALAR",), "u")[:, 0].astype(np.int64)
    if len(corners) and corners.max() >= num_vertices:
        raise ValueError(f"a face names vertex {corners.max()}, there are {num_vertices}")
    return corners


def primitive_mode(primitive: dict[str, Any]) -> int:
    """Points, or one of the kinds of triangles; lines are refused."""
    mode = primitive.get("mode", _TRIANGLES)
    if type(mode) is not int or mode not in (POINTS, _TRIANGLES, _STRIP, _FAN):
        what = "lines, which have no surface" if mode in _LINES else f"of the unknown mode {mode!r}"
        raise ValueError(f"a part of its mesh is {what}; export triangles only")
    return mode


def triangles(mode: int, corners: Shaped[np.ndarray, " N"]) -> Shaped[np.ndarray, "F 3"]:
    """Cut corners into triangles. Triangles that only connect the parts of a strip are left out."""
    count = len(corners)
    if mode == _TRIANGLES:
        if count % 3:
            raise ValueError(f"its triangles have {count} corners, which is no multiple of 3")
        return corners.reshape(-1, 3)
    if count < 3:
        raise ValueError(f"a strip or fan of triangles has {count} corners")
    if mode == _FAN:
        return np.stack([corners[1:-1], corners[2:], np.broadcast_to(corners[0], count - 2)], 1)
    first = np.arange(count - 2)
    odd = first % 2
    faces = corners[np.stack([first, first + 1 + odd, first + 2 - odd], axis=1)]
    a, b, c = faces.T
    return faces[(a != b) & (b != c) & (c != a)]


def read_colors(
    document: Document, primitive: dict[str, Any], num_vertices: int
) -> UInt8[np.ndarray, "V 3"] | None:
    """Colours of vertices; None if there are none. Alpha is dropped."""
    attributes = mapping(primitive, "attributes")
    if "COLOR_0" not in attributes:
        return None
    colors = read_array(document, attributes["COLOR_0"], ("VEC3", "VEC4"), "uf")
    full = 1.0 if colors.dtype.kind == "f" else float(np.iinfo(colors.dtype).max)
    if len(colors) != num_vertices or not np.isfinite(colors).all():
        raise ValueError(f"it lacks a finite colour for each of its {num_vertices} vertices")
    return np.clip(np.rint(colors[:, :3] / full * 255.0), 0, 255).astype(np.uint8)
