"""What the model sees of a window: which frames, which points or which view."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from im2mesh.config import DataConfig
from im2mesh.data.fields import count_points, read_surface_rows, read_trajectories
from im2mesh.data.images import choose_view, read_images
from im2mesh.data.sequences import CLOUD_FOLDER, DataError, Window
from im2mesh.data.transforms import add_noise, choose_rows


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
    clouds = _draw_clouds(config, window, frames, rng)
    return Observation(add_noise(clouds, config.input_noise, rng), times)


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
    count = config.num_input_points
    if config.input_pointcloud_corresponding:
        rows = draw_row_numbers(config, window, 0, CLOUD_FOLDER, count, rng)
        return read_trajectories(config.root, window, rows, frames.tolist())
    clouds = []
    for frame in frames.tolist():
        rows = draw_row_numbers(config, window, frame, CLOUD_FOLDER, count, rng)
        clouds.append(read_surface_rows(config.root, window, frame, rows))
    return np.stack(clouds)


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
