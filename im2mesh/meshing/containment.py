"""Which points lie inside a mesh, and how often."""

import igl  # core functions only: igl.copyleft carries another licence
import numpy as np
from jaxtyping import Bool, Float, Int


def points_inside_mesh(
    points: Float[np.ndarray, "N 3"],
    vertices: Float[np.ndarray, "V 3"],
    faces: Int[np.ndarray, "F 3"],
) -> Bool[np.ndarray, " N"]:
    """Whether each point has a winding number above one half; see `winding_numbers`."""
    return winding_numbers(points, vertices, faces) > 0.5


def winding_numbers(
    points: Float[np.ndarray, "N 3"],
    vertices: Float[np.ndarray, "V 3"],
    faces: Int[np.ndarray, "F 3"],
) -> Float[np.ndarray, " N"]:
    """How often the surface encloses each point: 0 outside, 1 inside, 2 where a body overlaps.

    Unlike the parity of ray crossings, the winding number is right where a body overlaps itself,
    and it degrades gently at small holes (fast approximation: Barill et al., SIGGRAPH 2018).

    Args:
        points: Positions, in the coordinates of the vertices.
        vertices, faces: Closed mesh, counter-clockwise seen from outside. All numbers of a mesh
            without faces are 0.

    Raises:
        ValueError: If points or vertices have the wrong shape or are not finite.
    """
    for name, array in (("points", points), ("vertices", vertices), ("faces", faces)):
        if array.ndim != 2 or array.shape[1] != 3:
            raise ValueError(f"{name} must have shape [N, 3], got {list(array.shape)}")
        if not np.isfinite(array).all():
            raise ValueError(f"{name} must be finite, got NaN or infinity")
    if len(faces) == 0 or len(points) == 0:
        return np.zeros(len(points))
    winding = igl.fast_winding_number(
        np.ascontiguousarray(vertices, np.float64),
        np.ascontiguousarray(faces, np.int64),
        np.ascontiguousarray(points, np.float64),
    )
    return np.asarray(winding, np.float64)
