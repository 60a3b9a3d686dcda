"""Binary glTF 2.0 (.glb): written by trimesh, read here, so that no file leads to another one."""

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped, UInt8
from scipy.spatial.transform import Rotation

from im2mesh.meshing.formats.arrays import Arrays
from im2mesh.meshing.mesh import Mesh

_MAGIC = b"glTF"
_JSON_CHUNK, _BINARY_CHUNK = 0x4E4F534A, 0x004E4942
_COMPONENTS = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_WIDTHS = {"SCALAR": 1, "VEC3": 3, "VEC4": 4}
_POINTS, _TRIANGLES = 0, 4  # modes of a primitive


def write_glb(path: Path, mesh: Mesh) -> None:
    """Write one mesh (or one set of points) as .glb; an empty mesh becomes an empty scene.

    Positions of the format are float32. Those that need float64 are written as float32 distances
    from their centre, with the centre as the translation of the node, which is of double precision.
    """
    import trimesh  # slow to import, and needed only here

    if mesh.is_empty:  # trimesh refuses to write an empty scene
        path.write_bytes(_empty_scene())
        return
    scene, placement, vertices = trimesh.Scene(), np.eye(4), mesh.vertices
    if vertices.dtype == np.float64:
        placement[:3, 3] = ((vertices.min(0) + vertices.max(0)) / 2).astype(np.float32)
        vertices = vertices - placement[:3, 3]
    if len(mesh.faces):
        geometry = trimesh.Trimesh(
            vertices, mesh.faces, vertex_normals=mesh.normals, vertex_colors=mesh.colors,
            process=False,
        )  # fmt: skip
    else:
        geometry = trimesh.PointCloud(vertices, colors=mesh.colors)
    scene.add_geometry(geometry, transform=placement)
    path.write_bytes(scene.export(file_type="glb"))  # pyright: ignore[reportArgumentType]


def _empty_scene() -> bytes:
    """A valid glTF 2.0 file without nodes: a header and one JSON chunk."""
    scene = {"asset": {"version": "2.0"}, "scene": 0, "scenes": [{"nodes": []}]}
    text = json.dumps(scene).encode("ascii")
    text += b" " * (-len(text) % 4)
    header = struct.pack("<4sIIII", _MAGIC, 2, 20 + len(text), len(text), _JSON_CHUNK)
    return header + text


def read_glb(path: Path) -> Arrays:
    """Read the only mesh of a .glb, with the transforms of its nodes applied.

    Positions, indices and colours of vertices are read, from the file itself; materials, textures
    and animations are left alone. Sparse and compressed arrays are not supported.
    """
    document, binary = _read_chunks(path.read_bytes())
    found = [
        (primitive, transform)
        for mesh, transform in _placed_meshes(document)
        for primitive in document["meshes"][mesh]["primitives"]
    ]
    if len(found) > 1:
        raise ValueError(f"it holds {len(found)} meshes, expected 1")
    if not found:
        return np.zeros((0, 3)), np.zeros((0, 3), np.int32), None
    primitive, transform = found[0]
    vertices = _read_accessor(document, binary, primitive["attributes"]["POSITION"], "VEC3")
    if not np.array_equal(transform, np.eye(4)):
        vertices = vertices @ transform[:3, :3].T + transform[:3, 3]
    faces = _read_faces(document, binary, primitive, len(vertices))
    return vertices, faces, _read_colors(document, binary, primitive, len(vertices))


def _read_chunks(content: bytes) -> tuple[dict[str, Any], bytes]:
    """The JSON chunk, parsed, and the binary chunk (empty if there is none)."""
    if content[:8] != struct.pack("<4sI", _MAGIC, 2):
        raise ValueError("it is no glTF 2.0 binary file")
    chunks: dict[int, bytes] = {}
    start = 12
    while start < len(content):
        length, kind = struct.unpack_from("<II", content, start)
        start += 8
        if start + length > len(content):
            raise ValueError(
                f"it ends early: {len(content)} bytes, a chunk ends at {start + length}"
            )
        chunks.setdefault(kind, content[start : start + length])
        start += length
    return json.loads(chunks[_JSON_CHUNK]), chunks.get(_BINARY_CHUNK, b"")


def _placed_meshes(document: dict[str, Any]) -> Iterator[tuple[int, np.ndarray]]:
    """Index of every mesh of the scene and its transform; a loop of nodes is an error."""
    scenes = document.get("scenes", [])
    roots = scenes[_index(document.get("scene", 0))].get("nodes", []) if scenes else []
    waiting = [(root, np.eye(4)) for root in roots]
    num_visited = 0
    while waiting:
        number, above = waiting.pop()
        node = document["nodes"][_index(number)]
        num_visited += 1
        if num_visited > len(document["nodes"]):
            raise ValueError("one of its nodes has two parents")
        transform = above @ _local_transform(node)
        if "mesh" in node:
            yield _index(node["mesh"]), transform
        waiting += [(child, transform) for child in node.get("children", [])]


def _local_transform(node: dict[str, Any]) -> Float[np.ndarray, "4 4"]:
    if "matrix" in node:
        return np.array(node["matrix"], np.float64).reshape(4, 4).T  # stored by columns
    transform = np.eye(4)
    if "rotation" in node:
        transform[:3, :3] = Rotation.from_quat(node["rotation"]).as_matrix()
    transform[:3, :3] *= np.array(node.get("scale", [1.0, 1.0, 1.0]), np.float64)
    transform[:3, 3] = node.get("translation", [0.0, 0.0, 0.0])
    return transform


def _read_faces(
    document: dict[str, Any], binary: bytes, primitive: dict[str, Any], num_vertices: int
) -> Shaped[np.ndarray, "F 3"]:
    mode = primitive.get("mode", _TRIANGLES)
    if mode == _POINTS:
        return np.zeros((0, 3), np.int32)
    if mode != _TRIANGLES:
        raise ValueError(f"its primitives have mode {mode}, expected points or triangles")
    if "indices" not in primitive:
        return np.arange(num_vertices).reshape(-1, 3)
    return _read_accessor(document, binary, primitive["indices"], "SCALAR").reshape(-1, 3)


def _read_colors(
    document: dict[str, Any], binary: bytes, primitive: dict[str, Any], num_vertices: int
) -> UInt8[np.ndarray, "V 3"] | None:
    if "COLOR_0" not in primitive["attributes"]:
        return None
    colors = _read_accessor(document, binary, primitive["attributes"]["COLOR_0"], "VEC3", "VEC4")
    full = 1.0 if colors.dtype.kind == "f" else float(np.iinfo(colors.dtype).max)
    if len(colors) != num_vertices or not np.isfinite(colors).all():
        raise ValueError(f"it lacks a finite colour for each of its {num_vertices} vertices")
    return np.clip(np.rint(colors[:, :3] / full * 255.0), 0, 255).astype(np.uint8)


def _read_accessor(document: dict[str, Any], binary: bytes, number: int, *kinds: str) -> np.ndarray:
    """The values of an accessor, [count] or [count, width], as a view into the binary chunk."""
    accessor = document["accessors"][_index(number)]
    if "sparse" in accessor or "bufferView" not in accessor:
        raise ValueError("sparse and compressed arrays are not supported")
    if accessor["type"] not in kinds:
        raise ValueError(f"an array has the type {accessor['type']}, expected {' or '.join(kinds)}")
    view = document["bufferViews"][_index(accessor["bufferView"])]
    if "uri" in document["buffers"][_index(view["buffer"])] or view["buffer"] != 0:
        raise ValueError("its arrays lie in another file, which is not read")
    dtype, width = np.dtype(_COMPONENTS[accessor["componentType"]]), _WIDTHS[accessor["type"]]
    count, row = _index(accessor["count"]), width * dtype.itemsize
    stride = _index(view.get("byteStride", row))
    start = _index(view.get("byteOffset", 0)) + _index(accessor.get("byteOffset", 0))
    if stride < row or start + count * stride - (stride - row) > len(binary):
        raise ValueError(f"an array claims {count} rows, more than the file holds")
    values = np.ndarray((count, width), dtype, binary, start, (stride, dtype.itemsize))
    return values[:, 0] if accessor["type"] == "SCALAR" else values


def _index(number: Any) -> int:
    """Refuse what is no count or index: JSON also has fractions and negative numbers."""
    if type(number) is not int or number < 0:
        raise ValueError(f"{number!r} is not a count or an index")
    return number
