"""What depth cameras see of a clip: one side of the body each, with noise, from pixel to pixel."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int, UInt8

from im2mesh.meshing.depth_camera import DepthCamera, stand_back
from im2mesh.synthesis.images import surround


def surround_by_depth_cameras(
    vertices: Float[np.ndarray, "T V 3"], num_views: int
) -> list[DepthCamera]:
    """Cameras evenly around a clip, which see all of it, at one height and distance.

    They stand where the images of `surround` are taken from, but not as far away.
    """
    points = vertices.reshape(-1, 3).astype(np.float64)
    cameras = [stand_back(points, aim) for aim in surround(vertices, num_views)]
    farthest = max((camera.distance for camera in cameras), default=0.0)
    return [DepthCamera(camera.aim, farthest) for camera in cameras]


def noise_at(depth: Float[np.ndarray, "N"]) -> Float[np.ndarray, "N"]:
    """Standard deviation of the depth, in metres, at a depth in metres: that of a Kinect, as
    measured by Nguyen, Izadi and Lovell (3DIMPVT 2012), where surfaces are not slanted much."""
    return 0.0012 + 0.0019 * (depth - 0.4) ** 2


def see_body(
    vertices: Float[np.ndarray, "V 3"],
    faces: Int[np.ndarray, "F 3"],
    cameras: Sequence[DepthCamera],
    rng: np.random.Generator,
) -> tuple[Float[np.ndarray, "N 3"], UInt8[np.ndarray, "N"]]:
    """The points that the cameras measure in one frame, in metres, and which camera each is of.

    The rays go through other places of the pixels each time, so that two frames have no point in
    common even where the body rests.
    """
    points, views = [], []
    for view, camera in enumerate(cameras):
        ways, depth = camera.see(vertices, faces, rng.random(2))
        depth = depth + noise_at(depth) * rng.normal(size=len(depth))
        points.append(camera.position + depth[:, None] * ways)
        views.append(np.full(len(depth), view, np.uint8))
    return np.concatenate(points), np.concatenate(views)
