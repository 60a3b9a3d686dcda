"""Vertex normals of a moving mesh, all frames at once."""

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import csr_array


def vertex_normals(
    vertices: Float[np.ndarray, "T V 3"], faces: Int[np.ndarray, "F 3"]
) -> Float[np.ndarray, "T V 3"]:
    """Area-weighted unit normals per frame, pointing outwards for outward-oriented faces.

    The cross product of two edges is the face normal times twice the area, so a plain sum around a
    vertex is weighted by area. A vertex without area around it gets the zero vector.
    """
    num_frames, num_vertices, _ = vertices.shape
    corners = vertices[:, faces]  # [T, F, 3 corners, 3]
    cross = np.cross(corners[:, :, 1] - corners[:, :, 0], corners[:, :, 2] - corners[:, :, 0])
    # sum over faces as one sparse product: [V, F] @ [F, T * 3]
    face_of_corner = np.repeat(np.arange(len(faces)), 3)
    incidence = csr_array(
        (np.ones(faces.size, np.float32), (faces.ravel(), face_of_corner)),
        shape=(num_vertices, len(faces)),
    )
    sums = incidence @ cross.transpose(1, 0, 2).reshape(len(faces), num_frames * 3)
    normals = np.asarray(sums).reshape(num_vertices, num_frames, 3).transpose(1, 0, 2)
    length = np.linalg.norm(normals, axis=-1, keepdims=True)
    return (normals / np.maximum(length, np.finfo(np.float32).tiny)).astype(np.float32)


def unit_normals(
    vertices: Float[np.ndarray, "T V 3"], faces: Int[np.ndarray, "F 3"]
) -> Float[np.ndarray, "T V 3"]:
    """Normals of unit length, as glTF and USD want them, also where a vertex has no area."""
    normals = vertex_normals(vertices, faces)
    normals[~normals.any(axis=-1)] = (0.0, 0.0, 1.0)
    return normals
