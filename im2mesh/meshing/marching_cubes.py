"""Marching cubes (Lorensen and Cline, 1987): PyMCubes, or libigl where PyMCubes has no binary."""

import igl
import numpy as np
from jaxtyping import Bool, Float, Int

try:
    import mcubes
except ImportError:  # there are no binaries for Python 3.13 and later
    mcubes = None

CORNERS = np.array(
    [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1], [1, 0, 1], [1, 1, 1], [0, 1, 1]]
)
"""Corners of a cell, in the order in which libigl takes them."""

Triangles = tuple[Float[np.ndarray, "V 3"], Int[np.ndarray, "F 3"]]


def marching_cubes(volume: Float[np.ndarray, "X Y Z"]) -> Triangles:
    """The zero level set of values on a lattice, as triangles.

    Args:
        volume: Values, positive inside.

    Returns:
        Vertices, in units of the lattice spacing from the first lattice point, and faces,
        counter-clockwise seen from outside. V = F = 0 if no value is positive.
    """
    if mcubes is None:
        return marching_cubes_by_libigl(volume)
    vertices, faces = mcubes.marching_cubes(volume, 0.0)
    return vertices.reshape(-1, 3), faces.astype(np.int64).reshape(-1, 3)


def marching_cubes_by_libigl(volume: Float[np.ndarray, "X Y Z"]) -> Triangles:
    """The same triangles in another order. Only cells that the surface crosses are given to
    libigl. It wants values that are negative inside, or else faces look inwards."""
    cells = np.argwhere(_cells_with_both_signs(volume > 0))
    if not len(cells):
        return np.zeros((0, 3)), np.zeros((0, 3), np.int64)
    corners = np.ravel_multi_index((cells[:, None] + CORNERS).reshape(-1, 3).T, volume.shape)
    used, rows = np.unique(corners, return_inverse=True)
    points = np.stack(np.unravel_index(used, volume.shape), 1).astype(np.float64)
    values = -volume.ravel()[used].astype(np.float64)
    vertices, faces, _ = igl.marching_cubes(values, points, rows.reshape(-1, 8), 0.0)
    return np.asarray(vertices), np.asarray(faces).astype(np.int64)


def _cells_with_both_signs(inside: Bool[np.ndarray, "X Y Z"]) -> Bool[np.ndarray, "I J K"]:
    """Which cells have corners inside and corners outside."""
    any_inside, all_inside = inside, inside
    for axis in range(3):
        along, all_along = any_inside.swapaxes(0, axis), all_inside.swapaxes(0, axis)
        any_inside = (along[:-1] | along[1:]).swapaxes(0, axis)
        all_inside = (all_along[:-1] & all_along[1:]).swapaxes(0, axis)
    return any_inside & ~all_inside
