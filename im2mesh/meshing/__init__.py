"""Meshes: extraction from an occupancy function, clean-up, containment, files.

`extraction` and `refinement` need torch; they are imported from their own modules, so that readers
of meshes and the evaluation's worker processes start without it.
"""

from im2mesh.meshing.frame_meshes import FrameMeshes, Reconstruction, load_reconstruction
from im2mesh.meshing.io import (
    MESH_FORMATS,
    Mesh,
    numbered_meshes,
    read_mesh,
    write_mesh,
    write_numbered_clouds,
    write_numbered_meshes,
)
from im2mesh.meshing.sequence import MeshSequence, position_colors

__all__ = [
    "MESH_FORMATS",
    "FrameMeshes",
    "Mesh",
    "MeshSequence",
    "Reconstruction",
    "load_reconstruction",
    "numbered_meshes",
    "position_colors",
    "read_mesh",
    "write_mesh",
    "write_numbered_clouds",
    "write_numbered_meshes",
]
