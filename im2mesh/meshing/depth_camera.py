"""A depth camera: the points of a mesh that face it and that nothing hides, one for each pixel."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from im2mesh.meshing.rendering import MARGIN, Camera

FIELD_OF_VIEW = 60.0
"""Degrees from edge to edge of the square image, like that of depth cameras that people have."""
PIXELS = 256
"""Of the image, along each side."""
_SLOPE = float(np.tan(np.radians(FIELD_OF_VIEW / 2)))


@dataclass(frozen=True)
class DepthCamera:
    """A camera in perspective.

    Attributes:
        aim: The place that it looks at, and the direction; the size of its image plays no part.
        distance: From the camera to that place.
    """

    aim: Camera
    distance: float

    @property
    def position(self) -> Float[np.ndarray, "3"]:
        return self.aim.center + self.distance * self.aim.direction

    @property
    def projection(self) -> Float[np.ndarray, "3 4"]:
        """The matrix from the scene to the square image, whose edges are at -1 and 1; x points to
        the right and y down, and the last row gives the depth."""
        right, up, toward = self.aim.axes
        rows = np.stack([right / _SLOPE, -up / _SLOPE, -toward])
        return np.column_stack([rows, -rows @ self.position])

    def see(
        self,
        vertices: Float[np.ndarray, "V 3"],
        faces: Int[np.ndarray, "F 3"],
        shift: Float[np.ndarray, "2"],
    ) -> tuple[Float[np.ndarray, "N 3"], Float[np.ndarray, "N"]]:
        """Find the nearest point of the surface in every pixel that shows it.

        Args:
            vertices: All of them must be before the camera.
            shift: Where in its pixel a point is measured, from 0 to 1 along both sides.

        Returns:
            For each of these pixels the way from the camera that leads 1 deep into the scene, and
            the depth. The point is `position` and the one times the other.
        """
        seen = vertices @ self.projection[:, :3].T + self.projection[:, 3]
        places = (seen[:, :2] / seen[:, 2:] + 1) / 2 * PIXELS - shift  # now pixels are whole places
        nearness = _draw_nearness(places[faces], 1 / seen[:, 2][faces])
        rows, columns = np.nonzero(nearness)
        image = (np.stack([columns, rows], 1) + shift) / PIXELS * 2 - 1
        right, up, toward = self.aim.axes
        ways = _SLOPE * (image[:, :1] * right - image[:, 1:] * up) - toward
        return ways, 1 / nearness[rows, columns]


def stand_back(points: Float[np.ndarray, "N 3"], aim: Camera) -> DepthCamera:
    """The camera that looks the same way, from just so far that it sees all points."""
    placed = (points - aim.center) @ aim.axes.T
    reach = np.abs(placed[:, :2]).max(axis=1) * MARGIN / _SLOPE
    return DepthCamera(aim, float((reach + placed[:, 2]).max()))


def _draw_nearness(
    corners: Float[np.ndarray, "F 3 2"], nearness: Float[np.ndarray, "F 3"]
) -> Float[np.ndarray, "P P"]:
    """One over the depth of the nearest face, at every pixel; 0 where there is none.

    Unlike the depth, that number is linear over a face as the image shows it.
    """
    face, columns, rows = _pixels_near(corners)
    at = np.stack([columns, rows], 1)[:, None] - corners[face]  # [N, 3 corners, 2]
    across = _cross(np.roll(at, -1, axis=1), np.roll(at, -2, axis=1))  # areas opposite to corners
    area = across.sum(1)
    shares = across / np.where(area == 0, np.inf, area)[:, None]
    inside = (shares >= 0).all(1) & (area != 0)
    image = np.zeros((PIXELS, PIXELS))
    found = (shares * nearness[face]).sum(1)
    np.maximum.at(image, (rows[inside], columns[inside]), found[inside])
    return image


def _pixels_near(
    corners: Float[np.ndarray, "F 3 2"],
) -> tuple[Int[np.ndarray, "N"], Int[np.ndarray, "N"], Int[np.ndarray, "N"]]:
    """All pixels in the box around each face: the face, the column and the row."""
    low = np.clip(np.ceil(corners.min(1)), 0, PIXELS).astype(np.int64)
    high = np.clip(np.floor(corners.max(1)) + 1, 0, PIXELS).astype(np.int64)
    wide, tall = np.maximum(high - low, 0).T
    counts = wide * tall
    face = np.repeat(np.arange(len(corners)), counts)
    place = np.arange(len(face)) - np.repeat(np.cumsum(counts) - counts, counts)
    return face, low[face, 0] + place % wide[face], low[face, 1] + place // wide[face]


def _cross(one: Float[np.ndarray, "*N 2"], other: Float[np.ndarray, "*N 2"]) -> np.ndarray:
    return one[..., 0] * other[..., 1] - one[..., 1] * other[..., 0]
