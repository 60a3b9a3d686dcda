"""Which points lie inside a mesh."""

import igl  # core functions only: igl.copyleft carries another licence
import numpy as np
from jaxtyping import Bool, Float, Int


def points_inside_mesh(
    points: Float[np.ndarray, "N 3"],
    vertices: Float[np.ndarray, "V 3"],
    faces: Int[np.ndarray, "F 3"],
) -> Bool[np.ndarray, " N"]:
    """Points with a winding number above one half.

    Unlike the parity of ray crossings, the winding number is right where a body overlaps itself,
    and it degrades gently at small holes (fast approximation: Barill et al., SIGGRAPH 2018).

    Args:
        points: Positions, in the coordinates of the vertices.
        vertices, faces: Closed mesh, counter-clockwise seen from outside. Nothing is inside a mesh
            without faces.

    Raises:
        ValueError: If points or vertices have the wrong shape or are not finite.
    """
    for name, array in (("points", points), ("vertices", vertices), ("faces", faces)):
        if array.ndim != 2 or array.shape[1] != 3:
            raise ValueError(f"{name} must have shape [N, 3], got {list(array.shape)}")
        if not np.isfinite(array).all():
            raise ValueError(f"{name} must be finite, got NaN or infinity")
    if len(faces) == 0 or len(points) == 0:
        return np.zeros(len(points), bool)
    winding = igl.fast_winding_number(
        np.ascontiguousarray(vertices, np.float64),
        np.ascontiguousarray(faces, np.int64),
        np.ascontiguousarray(points, np.float64),
    )
    return np.asarray(winding) > 0.5
