"""Meshes as binary glTF 2.0 (.glb), written by trimesh."""

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from im2mesh.meshing.mesh import Mesh

if TYPE_CHECKING:
    from trimesh import Scene

Extend = Callable[[dict[Any, bytes], dict[str, Any]], None]
"""Adds to the buffer and to the JSON object of a file before it is written."""


def write_glb(path: Path, mesh: Mesh) -> None:
    """Write one mesh (or one set of points) as .glb; an empty mesh becomes an empty scene.

    Positions of the format are float32. Those that need float64 are written as float32 distances
    from their centre, with the centre as the translation of the node, which is of double precision.
    """
    path.write_bytes(glb_of([mesh]))


def glb_of(meshes: list[Mesh], extend: Extend | None = None) -> bytes:
    """One file of meshes, each with a node of its own; empty ones are left out."""
    import trimesh  # slow to import, and needed only here

    shown = [mesh for mesh in meshes if not mesh.is_empty]
    if not shown:  # trimesh refuses to write an empty scene
        return _empty_scene()
    scene = trimesh.Scene()
    for number, mesh in enumerate(shown):
        _add(scene, mesh, f"mesh_{number:05d}")
    content = scene.export(file_type="glb", buffer_postprocessor=extend)
    assert isinstance(content, bytes)
    return content


def _add(scene: "Scene", mesh: Mesh, name: str) -> None:
    import trimesh

    placement, vertices = np.eye(4), mesh.vertices
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
    scene.add_geometry(geometry, name, name, transform=placement)


def _empty_scene() -> bytes:
    """A valid glTF 2.0 file without nodes: a header and one JSON chunk."""
    scene = {"asset": {"version": "2.0"}, "scene": 0, "scenes": [{}]}
    text = json.dumps(scene).encode("ascii")
    text += b" " * (-len(text) % 4)
    header = struct.pack("<4sIII4s", b"glTF", 2, 20 + len(text), len(text), b"JSON")
    return header + text
