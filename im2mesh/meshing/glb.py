"""Binary glTF through trimesh, whose reader and writer are fast enough."""

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int, UInt8

from im2mesh.meshing.ply import Arrays


def write_glb(
    path: Path,
    vertices: Float[np.ndarray, "V 3"],
    faces: Int[np.ndarray, "F 3"],
    colors: UInt8[np.ndarray, "V 3"] | None,
    normals: Float[np.ndarray, "V 3"] | None,
) -> None:
    """Write one mesh (or one set of points) as .glb; an empty mesh becomes an empty scene."""
    import trimesh  # slow to import, needed for this format only

    if len(vertices) == 0:  # trimesh refuses to write an empty scene
        path.write_bytes(_empty_scene())
        return
    scene = trimesh.Scene()
    if len(faces):
        mesh = trimesh.Trimesh(
            vertices, faces, vertex_normals=normals, vertex_colors=colors, process=False
        )
        scene.add_geometry(mesh)
    else:
        scene.add_geometry(trimesh.PointCloud(vertices, colors=colors))
    path.write_bytes(scene.export(file_type="glb"))  # pyright: ignore[reportArgumentType]


def _empty_scene() -> bytes:
    """A valid glTF 2.0 file without nodes: a header and one JSON chunk."""
    scene = {"asset": {"version": "2.0"}, "scene": 0, "scenes": [{"nodes": []}]}
    text = json.dumps(scene).encode("ascii")
    text += b" " * (-len(text) % 4)
    header = struct.pack("<4sIIII", b"glTF", 2, 20 + len(text), len(text), 0x4E4F534A)
    return header + text


def read_glb(path: Path) -> Arrays:
    """Read the only mesh of a .glb, with the node's transform applied."""
    import trimesh

    scene = trimesh.load_scene(path, process=False)
    geometry = scene.dump()
    if len(geometry) > 1:
        raise ValueError(f"it holds {len(geometry)} meshes, expected 1")
    if not geometry:
        return np.zeros((0, 3)), np.zeros((0, 3), np.int32), None
    mesh: Any = geometry[0]
    faces = np.asarray(getattr(mesh, "faces", np.zeros((0, 3))), np.int32)
    colors = None
    if mesh.visual.kind == "vertex" and np.ndim(mesh.visual.vertex_colors) == 2:
        colors = np.asarray(mesh.visual.vertex_colors)[:, :3]
    return np.asarray(mesh.vertices), faces, colors
