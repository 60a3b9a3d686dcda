"""The soft shadow of a body on the floor, under a wide light above it."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, UInt8
from scipy.ndimage import gaussian_filter, map_coordinates

from im2mesh.meshing.mesh import Mesh
from im2mesh.meshing.rendering import BACKGROUND, Camera

LEVELS = ((0.0, 0.012, 0.42), (0.12, 0.035, 0.22), (0.4, 0.08, 0.16), (1.0, 0.14, 0.10))
"""What lies so high above the floor casts a shadow as blurred and as dark as this: height, standard
deviation of the blur, darkness from 0 to 1; between the levels, the shadow is mixed. The wider the
light, the faster a shadow grows soft with height, and the darkest part is where something touches
the floor. Lengths are in units of the body."""
FEWEST_POINTS = 1000
"""A cloud of fewer points casts no shadow: it would be one of grains."""
MOST_POINTS = 30_000
"""A mesh of fewer faces gets several points on each, so that its shadow has no holes."""
_SPREAD = np.array([0.7548776662, 0.5698402910])
"""Steps of a sequence that fills the square evenly (Roberts, 2018)."""
_CELL = 0.008
_MARGIN = 0.4


@dataclass(frozen=True)
class Floor:
    """A floor that is seen only by the shadow on it.

    Attributes:
        height: Its place along y.
        low, high: Corners of the box of all that ever stands on it; lengths are compared to its
            longest side, or to 1 for bodies in the frame of their first mesh.
    """

    height: float
    low: Float[np.ndarray, "3"]
    high: Float[np.ndarray, "3"]

    @cached_property
    def _size(self) -> tuple[int, int]:
        cells = (self.high - self.low)[[0, 2]] + 2 * _MARGIN
        return tuple(np.ceil(cells / _CELL).astype(int).tolist())

    def backdrop(
        self, mesh: Mesh, camera: Camera, width: int, height: int
    ) -> UInt8[np.ndarray, "height width 3"]:
        """The plain background with the shadow of a body, as a camera from above sees it."""
        light = 1.0 - self.darkness(mesh)
        seen = map_coordinates(light, self._cells_of_pixels(camera, width, height), order=1, cval=1)
        picture = seen.reshape(height, width, 1) * np.array(BACKGROUND, np.float32)
        return np.rint(picture).astype(np.uint8)

    def darkness(self, mesh: Mesh) -> Float[np.ndarray, "X Z"]:
        """How dark each cell of the floor is, from 0 to 1."""
        points, light = _surface_points(mesh), np.ones(self._size, np.float32)
        if len(points) < FEWEST_POINTS:
            return 1.0 - light
        cells = ((points[:, [0, 2]] - self.low[[0, 2]] + _MARGIN) / _CELL).astype(int)
        cells = np.clip(cells, 0, np.array(self._size) - 1)
        above = np.clip(points[:, 1] - self.height, 0, LEVELS[-1][0])
        heights = [level[0] for level in LEVELS]
        for k, (_, blur, strength) in enumerate(LEVELS):
            share = np.interp(above, heights, np.eye(len(LEVELS))[k])
            covered = np.zeros(self._size, np.float32)
            np.maximum.at(covered, (cells[:, 0], cells[:, 1]), share.astype(np.float32))
            light *= 1.0 - strength * gaussian_filter(covered, blur / _CELL)
        return 1.0 - light

    def _cells_of_pixels(
        self, camera: Camera, width: int, height: int
    ) -> Float[np.ndarray, "2 pixels"]:
        """The place on the floor, in cells, that each pixel sees."""
        right, up, toward = camera.axes
        unit = 2 * camera.half_height / height
        across = (np.arange(width) + 0.5 - width / 2) * unit
        rise = (height / 2 - np.arange(height) - 0.5) * unit
        on_axis = camera.center + rise[:, None] * up
        depth = (on_axis[:, 1] - self.height) / toward[1]
        on_floor = (on_axis - depth[:, None] * toward)[:, None] + across[:, None] * right
        place = on_floor.reshape(-1, 3)[:, [0, 2]] - self.low[[0, 2]] + _MARGIN
        return place.T / _CELL - 0.5


def _surface_points(mesh: Mesh) -> Float[np.ndarray, "N 3"]:
    """Points all over a mesh, the same ones of it in all frames; those of a cloud."""
    points = mesh.vertices
    if not len(mesh.faces):
        return points
    k = np.arange(math.ceil(MOST_POINTS / len(mesh.faces)))[:, None]
    square = (0.5 + k * _SPREAD) % 1.0  # evenly over a square, folded to a triangle
    square = np.where(square.sum(axis=1, keepdims=True) > 1, 1 - square, square)
    weights = np.column_stack([square, 1 - square.sum(axis=1)])
    corners = points[mesh.faces]
    return np.concatenate([points, *(np.einsum("c,fcd->fd", w, corners) for w in weights)])
