"""Other views of a training window: turned and mirrored clouds, moved and mirrored images."""

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from jaxtyping import Float

from im2mesh.build import build_config, build_model
from im2mesh.config.schema import DataConfig
from im2mesh.data.augmentation import _mirrored_images, augment
from im2mesh.data.batch import NO_CAMERAS, Sample
from im2mesh.data.dataset import WindowDataset
from im2mesh.data.layout import Window
from im2mesh.errors import ConfigError
from im2mesh.models.pixels.projection import project
from im2mesh.models.views import Views, reflection
from tests.ball import CATEGORY

SIZE = 64
NOTHING = "representation_power/oflow"
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


@pytest.mark.parametrize("camera", [FAR, NEAR], ids=["parallel", "perspective"])
def test_training_is_mirrored_as_copies_are(rng: np.random.Generator, camera: np.ndarray) -> None:
    plain = a_sample(rng, rng.uniform(0, 1, (3, 3, SIZE, SIZE)), np.stack([camera] * 3))
    views = Views.of_windows(
        torch.from_numpy(plain.inputs)[None], torch.from_numpy(plain.cameras)[None]
    )
    mirrored, found = views.mirrored(), _mirrored_images(plain)
    np.testing.assert_array_equal(found.inputs, mirrored.images[0])
    np.testing.assert_allclose(found.cameras, mirrored.cameras[0], atol=1e-6)
    mirror = reflection(views.axes()[:, 0])[0].numpy()
    np.testing.assert_allclose(found.pointcloud, plain.pointcloud @ mirror, atol=1e-6)


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


def draws(root: Path, *, augment: bool, shuffle: bool) -> list[Sample]:
    data = DataConfig(
        root=str(root), num_frames=5, skip_frames=0, augment=augment, num_input_points=20,
        num_points=20, num_correspondence_points=10,
    )  # fmt: skip
    window = Window(CATEGORY, "ball_b", start=0, num_frames=5)
    dataset = WindowDataset([window], data, seed=0, shuffle=shuffle, num_points=20)
    return [dataset[0], *(dataset[k] for k in range(6 if shuffle else 1))]


def test_training_is_augmented_the_same_at_every_reading(ball_root: Path) -> None:
    plain = draws(ball_root, augment=False, shuffle=True)
    other = draws(ball_root, augment=True, shuffle=True)
    np.testing.assert_array_equal(other[0].points_0, other[1].points_0)
    moves = {
        tuple(moved_by(a.points_0, b.points_0).round().astype(int).flatten())
        for a, b in zip(plain[1:], other[1:], strict=True)
    }
    assert len(moves) > 2


def test_validation_is_not_augmented(ball_root: Path) -> None:
    plain, other = (draws(ball_root, augment=augment, shuffle=False) for augment in (False, True))
    np.testing.assert_array_equal(plain[0].points_0, other[0].points_0)
    np.testing.assert_array_equal(plain[0].inputs, other[0].inputs)


def test_a_model_that_observes_nothing_is_not_augmented() -> None:
    with pytest.raises(ConfigError, match=r"data\.input is null; set data\.augment to false"):
        build_model(build_config(f"configs/{NOTHING}-small.yaml", ["data.augment=true"]))
