"""One mesh as binary glTF 2.0 (.glb), written by trimesh."""

import json
import struct
from pathlib import Path

import numpy as np

from im2mesh.meshing.mesh import Mesh


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
    scene = {"asset": {"version": "2.0"}, "scene": 0, "scenes": [{}]}
    text = json.dumps(scene).encode("ascii")
    text += b" " * (-len(text) % 4)
    header = struct.pack("<4sIII4s", b"glTF", 2, 20 + len(text), len(text), b"JSON")
    return header + text
