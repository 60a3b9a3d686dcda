"""The pieces of a surface: how many there are, and which of them are too small to be kept."""

import numpy as np
from jaxtyping import Int
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from im2mesh.meshing.mesh import Mesh
from im2mesh.meshing.volumes import signed_volumes


def without_small_pieces(mesh: Mesh, smallest: float) -> Mesh:
    """Leave out closed pieces that enclose little: specks beside a body, and hollows inside it.

    The largest piece is kept, however many there are.

    Args:
        mesh: A closed surface, as it is extracted; its pieces share no vertices.
        smallest: Least volume of a piece, as a part of the largest one's.
    """
    if mesh.is_empty or smallest == 0:
        return mesh
    of_vertex = _pieces(len(mesh.vertices), mesh.faces)
    of_face = of_vertex[mesh.faces[:, 0]]
    volumes = np.abs(np.bincount(of_face, signed_volumes(mesh), of_vertex.max() + 1))
    is_kept = volumes >= smallest * volumes.max()
    if is_kept.all():
        return mesh
    kept = is_kept[of_vertex]
    number = np.cumsum(kept) - 1
    return Mesh(mesh.vertices[kept], number[mesh.faces[is_kept[of_face]]].astype(mesh.faces.dtype))


def count_pieces(mesh: Mesh) -> int:
    """The number of pieces of a surface that share no vertices."""
    return 0 if mesh.is_empty else int(_pieces(len(mesh.vertices), mesh.faces).max()) + 1


def _pieces(num_vertices: int, faces: Int[np.ndarray, "F 3"]) -> Int[np.ndarray, "V"]:
    """The number of each vertex's piece."""
    start, end = faces[:, :2].reshape(-1), faces[:, 1:].reshape(-1)
    edges = coo_array((np.ones(len(start), bool), (start, end)), (num_vertices, num_vertices))
    return connected_components(edges, directed=False)[1]
