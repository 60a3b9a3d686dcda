"""Other views of a training window: turned and mirrored clouds, moved and mirrored images."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from jaxtyping import Float

from im2mesh.data.augmentation import augment
from im2mesh.data.batch import NO_CAMERAS, Sample
from im2mesh.data.layout import Window
from im2mesh.models.pixels.projection import project

SIZE = 64
FAR = np.array([[0.8, 0, 0.3, 0.1], [0.1, -0.8, 0.1, 0.05], [0, 0, 0, 1]])
NEAR = np.array([[1.5, 0, 0.4, 0], [0.1, -1.6, 0.1, 0.02], [0.1, 0.1, -0.4, 1]])
"""Cameras with parallel projection and with perspective."""


def a_sample(
    rng: np.random.Generator, inputs: np.ndarray, cameras: np.ndarray = NO_CAMERAS
) -> Sample:
    return Sample(
        window=Window("all", "clip", 0, 3),
        inputs=inputs.astype(np.float32),
        input_times=np.linspace(0, 1, 3, dtype=np.float32),
        cameras=cameras.astype(np.float32),
        points_0=rng.uniform(-0.5, 0.5, (20, 3)).astype(np.float32),
        occupancy_0=np.zeros(20, np.float32),
        points_t=rng.uniform(-0.5, 0.5, (20, 3)).astype(np.float32),
        occupancy_t=np.zeros(20, np.float32),
        t=0.5,
        pointcloud=rng.uniform(-0.4, 0.4, (3, 4, 3)).astype(np.float32),
    )


def seen_at(points: np.ndarray, cameras: np.ndarray) -> Float[np.ndarray, "K 2"]:
    """Where each camera sees its point."""
    seen = project(torch.from_numpy(points).unsqueeze(1), torch.from_numpy(cameras))
    return seen[:, 0, :2].numpy()


def draw_spots(places: Float[np.ndarray, "K 2"]) -> Float[np.ndarray, "K 3 H W"]:
    """Images of a dark spot each, on white."""
    middles = (np.arange(SIZE) + 0.5) / SIZE * 2 - 1
    x, y = np.meshgrid(middles, middles)
    far = (x - places[:, 0, None, None]) ** 2 + (y - places[:, 1, None, None]) ** 2
    return np.repeat(1 - np.exp(-far / 0.01)[:, None], 3, axis=1).astype(np.float32)


def find_spots(images: Float[np.ndarray, "K 3 H W"]) -> Float[np.ndarray, "K 2"]:
    middles = (np.arange(SIZE) + 0.5) / SIZE * 2 - 1
    dark = 1 - images[:, 0]
    dark = dark / dark.sum((1, 2), keepdims=True)
    return np.stack([(dark.sum(1) * middles).sum(1), (dark.sum(2) * middles).sum(1)], 1)


def moved_by(before: np.ndarray, after: np.ndarray) -> Float[np.ndarray, "3 3"]:
    """The matrix that takes positions to where they are now."""
    matrix, *_ = np.linalg.lstsq(before.reshape(-1, 3), after.reshape(-1, 3), rcond=None)
    return matrix.T


@pytest.mark.parametrize("camera", [FAR, NEAR], ids=["parallel", "perspective"])
def test_cameras_follow_mirrored_and_cropped_images(
    rng: np.random.Generator, camera: np.ndarray
) -> None:
    """A point of the body is seen in the new images where the new cameras say."""
    cameras = np.stack([camera, camera, camera])
    cameras[1:, 0, 3] += (0.1, 0.2)  # a camera that moves
    plain = a_sample(rng, np.zeros((3, 3, SIZE, SIZE)), cameras)
    points = 0.5 * plain.pointcloud[:, 0]
    plain = replace(plain, inputs=draw_spots(seen_at(points, plain.cameras)))
    plain.pointcloud[:, 0] = points
    handedness = set()
    for seed in range(12):
        other = augment(plain, np.random.default_rng(seed))
        expected = seen_at(other.pointcloud[:, 0], other.cameras)
        np.testing.assert_allclose(find_spots(other.inputs), expected, atol=0.02)
        matrix = moved_by(plain.pointcloud, other.pointcloud)
        np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-5)
        np.testing.assert_allclose(moved_by(plain.points_0, other.points_0), matrix, atol=1e-5)
        np.testing.assert_allclose(moved_by(plain.points_t, other.points_t), matrix, atol=1e-5)
        handedness.add(round(float(np.linalg.det(matrix))))
    assert handedness == {1, -1}


def test_clouds_are_turned_by_quarters_and_mirrored(rng: np.random.Generator) -> None:
    plain = a_sample(rng, rng.uniform(-0.5, 0.5, (3, 30, 3)))
    found = set()
    for seed in range(60):
        other = augment(plain, np.random.default_rng(seed))
        matrix = moved_by(plain.inputs, other.inputs)
        for name in ("points_0", "points_t", "pointcloud"):
            here = moved_by(getattr(plain, name), getattr(other, name))
            np.testing.assert_allclose(here, matrix, atol=1e-5)
        np.testing.assert_allclose(matrix[1], [0, 1, 0], atol=1e-5)  # what is up stays up
        found.add(tuple(matrix.round().astype(int).flatten()))
        np.testing.assert_allclose(matrix, matrix.round(), atol=1e-5)
    assert len(found) == 8


def test_the_same_draw_gives_the_same_view_and_what_is_given_stays(
    rng: np.random.Generator,
) -> None:
    plain = a_sample(rng, rng.uniform(0, 1, (3, 3, SIZE, SIZE)), np.stack([FAR] * 3))
    kept = {field.name: np.copy(getattr(plain, field.name)) for field in fields(plain)
            if field.name != "window"}  # fmt: skip
    one, other = (augment(plain, np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(one.inputs, other.inputs)
    assert one.inputs.shape == plain.inputs.shape and one.inputs.dtype == np.float32
    for name, value in kept.items():
        np.testing.assert_array_equal(getattr(plain, name), value)
