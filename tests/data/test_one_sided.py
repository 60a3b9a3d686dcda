"""Clouds of one depth camera are told from those of a whole surface."""

import numpy as np
import pytest

from im2mesh.data.one_sided import far_share, is_one_sided
from im2mesh.meshing.depth_camera import DepthCamera
from im2mesh.synthesis.animation import animate
from im2mesh.synthesis.body import load_body
from im2mesh.synthesis.depth import see_body, surround_by_depth_cameras
from im2mesh.synthesis.splits import Clip


@pytest.fixture(scope="module")
def body() -> tuple[np.ndarray, np.ndarray]:
    """Three frames of a body that lifts its knees, and its faces."""
    return animate(Clip(3, "knees"), 21, seed=0)[::10].astype(float), load_body(3).faces


@pytest.mark.parametrize("count", [300, 2000])
@pytest.mark.parametrize("which", ["first", "second", "third", "both"])
def test_one_camera_sees_one_side(body, count, which, rng) -> None:
    """In any unit, whichever axis is up. Two cameras see both sides."""
    vertices, faces = body
    cameras: list[DepthCamera] = surround_by_depth_cameras(vertices, 2 if which == "both" else 3)
    if which != "both":
        cameras = [cameras[["first", "second", "third"].index(which)]]
    clouds = [see_body(frame, faces, cameras, rng)[0] for frame in vertices]
    chosen = [1000 * cloud[rng.permutation(len(cloud))[:count]][:, [2, 0, 1]] for cloud in clouds]
    assert is_one_sided(chosen) == (which != "both")


def test_few_points_tell_nothing(rng) -> None:
    assert far_share(rng.random((9, 3))) == 1.0
    assert far_share(np.ones((20, 3))) == 1.0


def test_a_whole_surface_has_two_sides_with_strays_and_noise(body, rng) -> None:
    whole = [frame[rng.permutation(len(frame))[:3000]] for frame in body[0]]
    assert not is_one_sided(whole)
    assert not is_one_sided([cloud + rng.normal(0, 0.03, cloud.shape) for cloud in whole])
    assert not is_one_sided([np.vstack([cloud, [[0, 6, 0]]]) for cloud in whole])
