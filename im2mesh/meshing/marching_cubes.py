"""Marching cubes (Lorensen and Cline, 1987): PyMCubes, or libigl where PyMCubes has no binary."""

import igl
import numpy as np
from jaxtyping import Float, Int

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
    cells = np.argwhere(_crossed(volume > 0))
    if not len(cells):
        return np.zeros((0, 3)), np.zeros((0, 3), np.int64)
    corners = np.ravel_multi_index((cells[:, None] + CORNERS).reshape(-1, 3).T, volume.shape)
    used, rows = np.unique(corners, return_inverse=True)
    points = np.stack(np.unravel_index(used, volume.shape), 1).astype(np.float64)
    values = -volume.ravel()[used].astype(np.float64)
    vertices, faces, _ = igl.marching_cubes(values, points, rows.reshape(-1, 8), 0.0)
    return np.asarray(vertices), np.asarray(faces).astype(np.int64)


def _crossed(inside: np.ndarray) -> np.ndarray:
    """Which cells have corners inside and outside."""
    any_inside, all_inside = inside, inside
    for axis in range(3):
        size = inside.shape[axis]
        near, far = (np.take(x, range(size - 1), axis) for x in (any_inside, all_inside))
        any_inside = near | np.take(any_inside, range(1, size), axis)
        all_inside = far & np.take(all_inside, range(1, size), axis)
    return np.asarray(any_inside & ~all_inside)
