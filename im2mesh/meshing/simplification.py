"""Simplify meshes by quadric edge collapse (Garland and Heckbert, SIGGRAPH 1997)."""

import fast_simplification
import numpy as np
from jaxtyping import Float, Int


def simplify_mesh(
    vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"], num_faces: int
) -> tuple[Float[np.ndarray, "W 3"], Int[np.ndarray, "G 3"]]:
    """Reduce a mesh to about `num_faces` faces; a mesh that has no more stays as it is.

    Collapses that would flip a face are refused, so a few faces too many may remain.

    Raises:
        ValueError: If num_faces is below 4; the smallest closed surface is a tetrahedron.
    """
    if num_faces < 4:
        raise ValueError(f"num_faces must be at least 4 (a tetrahedron), got {num_faces}")
    if len(faces) <= num_faces:
        return vertices, faces
    vertices, faces = fast_simplification.simplify(
        np.ascontiguousarray(vertices, np.float64),
        np.ascontiguousarray(faces, np.int32),
        target_count=num_faces,
    )[:2]
    used, compact = np.unique(faces, return_inverse=True)
    return (np.asarray(vertices, np.float32)[used], compact.reshape(-1, 3).astype(np.int32))
