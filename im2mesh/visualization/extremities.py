"""The far ends of a body, hands and feet among them, and what lies around them."""

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from im2mesh.meshing.io import Mesh


def find_extremities(
    mesh: Mesh, count: int = 5, length: float = 0.14
) -> list[Int[np.ndarray, " K"]]:
    """Vertices of the parts that lie farthest from the middle and from each other.

    Distances run along edges, so a hand at the hip is far from the hip. On a body the five are the
    feet, the hands and the head.

    Args:
        mesh: One with faces.
        count: Of the parts.
        length: Of a part, from its tip, in the units of the mesh.
    """
    edges = np.concatenate([mesh.faces[:, [0, 1]], mesh.faces[:, [1, 2]], mesh.faces[:, [2, 0]]])
    edges = np.unique(np.sort(edges, axis=1), axis=0)
    lengths = np.linalg.norm(np.diff(mesh.vertices[edges].astype(np.float64), axis=1)[:, 0], axis=1)
    graph = csr_array((lengths, edges.T), shape=(len(mesh.vertices),) * 2)

    def distances(vertex: int) -> Float[np.ndarray, " V"]:
        return dijkstra(graph, directed=False, indices=vertex)

    used = np.unique(mesh.faces)
    center = mesh.vertices[used].mean(axis=0)
    middle = used[np.linalg.norm(mesh.vertices[used] - center, axis=1).argmin()]
    to_chosen = distances(int(middle))
    to_chosen[np.isinf(to_chosen)] = 0.0  # not connected to the body
    parts = []
    for _ in range(count):
        to_tip = distances(int(to_chosen.argmax()))
        parts.append(np.nonzero(to_tip <= length)[0])
        to_chosen = np.minimum(to_chosen, to_tip)
    return parts


def middle_of(points: Float[np.ndarray, "N 3"]) -> Float[np.ndarray, "3"]:
    """The middle of the bounding box."""
    return (points.min(axis=0) + points.max(axis=0)) / 2


def within(mesh: Mesh, center: Float[np.ndarray, "3"], radius: float) -> Bool[np.ndarray, " V"]:
    """Which vertices lie in a ball; of a mesh with faces, those of a face that does."""
    is_near = np.linalg.norm(mesh.vertices - center, axis=1) <= radius
    if len(mesh.faces) == 0:
        return is_near
    has_face = np.zeros(len(mesh.vertices), bool)
    has_face[mesh.faces[is_near[mesh.faces].all(axis=1)]] = True
    return has_face


def keep_vertices(mesh: Mesh, keep: Bool[np.ndarray, " V"]) -> Mesh:
    """The part of a mesh, or of a cloud, between the given vertices; colours are dropped."""
    faces = mesh.faces[keep[mesh.faces].all(axis=1)]
    new_index = np.cumsum(keep) - 1
    return Mesh(mesh.vertices[keep], new_index[faces].astype(np.int32))
