"""Meshes: extraction from an occupancy function, clean-up, containment, files.

`extraction` and `refinement` need torch; they are imported from their own modules, so that readers
of meshes and the evaluation's worker processes start without it.
"""

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
    "Mesh",
    "MeshSequence",
    "numbered_meshes",
    "position_colors",
    "read_mesh",
    "write_mesh",
    "write_numbered_clouds",
    "write_numbered_meshes",
]
