"""Images of a clip, taken by cameras that stand still around the body."""

import functools
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from jaxtyping import Float, Int, UInt8

from im2mesh.meshing.rendering import MARGIN, Camera, Renderer

SKIN = (244, 194, 162)
FRONT_AZIMUTH = 20.0  # degrees: the first view sees the body from the front, a little to its left
ELEVATION = 10.0


def surround(vertices: Float[np.ndarray, "T V 3"], num_views: int) -> list[Camera]:
    """Cameras evenly around a clip, with the whole clip in view of each.

    All look at the same point, at the same scale. Their projection is parallel, like that of a long
    lens from far away, so that the clip fits exactly and no camera distance has to be invented.
    """
    points = vertices.reshape(-1, 3)
    center = ((points.min(axis=0) + points.max(axis=0)) / 2).astype(np.float64)
    azimuths = FRONT_AZIMUTH + 360.0 * np.arange(num_views) / num_views
    cameras = [Camera(center, 1.0, azimuth, ELEVATION) for azimuth in azimuths.tolist()]
    reach = [np.abs((points - center) @ camera.axes[:2].T).max() for camera in cameras]
    return [replace(camera, half_height=MARGIN * float(max(reach))) for camera in cameras]


def draw_body(
    vertices: Float[np.ndarray, "V 3"],
    faces: Int[np.ndarray, "F 3"],
    cameras: list[Camera],
    size: int,
) -> Iterator[UInt8[np.ndarray, "size size 3"]]:
    """One square image per camera: smoothly shaded skin, lit from above, on a plain background.

    Raises:
        UserError: If pyvista is not installed.
    """
    colors = np.full(vertices.shape, SKIN, np.uint8)
    for camera in cameras:
        yield _renderer(size).render_mesh(vertices, faces, colors, camera)


@functools.lru_cache(maxsize=1)
def _renderer(size: int) -> Renderer:
    """The one renderer of this process: starting another takes as long as several images."""
    return Renderer(size, size)
