"""What the model sees of a window: which frames, which points or which view."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from im2mesh.config import DataConfig
from im2mesh.data.fields import (
    count_points,
    read_surface_points,
    read_surface_rows,
    read_trajectories,
)
from im2mesh.data.images import choose_view, read_images
from im2mesh.data.sequences import CLOUD_FOLDER, DataError, Window
from im2mesh.data.transforms import (
    add_noise,
    choose_rows,
    choose_rows_outside,
    follow_point,
    replace_by_outliers,
)


@dataclass(frozen=True)
class Observation:
    """The observed frames of one window.

    Attributes:
        inputs: Clouds [K, N, 3] in the window's first-frame coordinates, RGB images in [0, 1]
            [K, 3, H, W], or nothing [0, 0, 3].
        times: Of the frames, in [0, 1], increasing from 0.
    """

    inputs: Float[np.ndarray, "K *frame"]
    times: Float[np.ndarray, "K"]


def draw_observation(
    config: DataConfig, window: Window, rng: np.random.Generator, *, random_view: bool
) -> Observation:
    """Draw points and noise, and where the config says so frames; a random view, or the first."""
    frames = choose_frames(config, window.num_frames, rng)
    times = (frames / (window.num_frames - 1)).astype(np.float32)
    if config.input is None:
        return Observation(np.zeros((0, 0, 3), np.float32), times)
    if config.input == "images":
        view = choose_view(config.root, window, config.num_views, rng if random_view else None)
        images = read_images(config.root, window, view, frames.tolist(), config.image_size)
        return Observation(images, times)
    clouds = add_noise(_draw_clouds(config, window, frames, rng), config.input_noise, rng)
    same_rows = config.input_pointcloud_corresponding
    clouds = replace_by_outliers(clouds, config.input_outliers, rng, same_rows=same_rows)
    return Observation(clouds, times)


def choose_frames(
    config: DataConfig, num_frames: int, rng: np.random.Generator
) -> Int[np.ndarray, "K"]:
    """Numbers of the observed frames of a window; the first is always among them."""
    count = config.observed_frames
    if config.input_frames == "random" and count < num_frames:
        later = rng.choice(num_frames - 1, max(0, count - 1), replace=False) + 1
        return np.sort(np.concatenate([[0], later]))
    return np.linspace(0, num_frames - 1, count).round().astype(np.int64)


def _draw_clouds(
    config: DataConfig, window: Window, frames: Int[np.ndarray, "K"], rng: np.random.Generator
) -> Float[np.ndarray, "K N 3"]:
    """The same particles in all frames, or particles of its own in each."""
    if config.input_hole:
        return _draw_clouds_with_hole(config, window, frames, rng)
    count = config.num_input_points
    if config.input_pointcloud_corresponding:
        rows = draw_row_numbers(config, window, 0, CLOUD_FOLDER, count, rng)
        return read_trajectories(config.root, window, rows, frames.tolist())
    clouds = []
    for frame in frames.tolist():
        rows = draw_row_numbers(config, window, frame, CLOUD_FOLDER, count, rng)
        clouds.append(read_surface_rows(config.root, window, frame, rows))
    return np.stack(clouds)


def _draw_clouds_with_hole(
    config: DataConfig, window: Window, frames: Int[np.ndarray, "K"], rng: np.random.Generator
) -> Float[np.ndarray, "K N 3"]:
    """The same, but none out of a ball around a surface point, which moves along.

    Particles that are followed over the frames must lie outside of it in the first.
    """
    same_particles = config.input_pointcloud_corresponding
    drawn_from = [0] if same_particles else frames.tolist()
    whole = [read_surface_points(config.root, window, frame).points for frame in drawn_from]
    centers = follow_point(whole, int(rng.integers(len(whole[0]))))
    radius, count = config.input_hole, config.num_input_points
    try:
        rows = [
            choose_rows_outside(points, center, radius, count, rng)
            for points, center in zip(whole, centers, strict=True)
        ]
    except ValueError as error:
        raise DataError(
            f"clip {window.clip}: {error}; lower data.input_hole or data.num_input_points"
        ) from error
    if same_particles:
        return read_trajectories(config.root, window, rows[0], frames.tolist())
    return np.stack([points[chosen] for points, chosen in zip(whole, rows, strict=True)])


def draw_row_numbers(
    config: DataConfig,
    window: Window,
    frame: int,
    folder: str,
    count: int,
    rng: np.random.Generator,
) -> Int[np.ndarray, "N"]:
    """Different rows of the points of one frame.

    Raises:
        DataError: If the frame has fewer points.
    """
    total = count_points(config.root, window, frame, folder)
    try:
        return choose_rows(total, count, rng, folder)
    except ValueError as error:
        raise DataError(
            f"clip {window.clip}: {error}; lower data.num_points, data.num_input_points, "
            "data.num_correspondence_points or validation.num_points"
        ) from error
