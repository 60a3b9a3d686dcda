"""What a model sees of a window: some of the frames, as points or as images of one view."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from im2mesh.config.schema import DataConfig
from im2mesh.data.batch import Observation
from im2mesh.data.cameras import read_cameras
from im2mesh.data.frame_choice import choose_frames
from im2mesh.data.frames import StoredWindow
from im2mesh.data.images import choose_view, read_images
from im2mesh.data.layout import CLOUD_FOLDER, DEPTH_FOLDER, DataError, Window
from im2mesh.data.sight import draw_sight, is_partial
from im2mesh.data.transforms import add_noise, choose_rows, replace_by_outliers


def draw_observation(
    config: DataConfig, window: Window, rng: np.random.Generator, *, random_view: bool
) -> Observation:
    """Draw what a model sees: clouds with noise, or images of a random view or else the first."""
    stored = StoredWindow(config.root, window)
    frames = choose_frames(config, window.num_frames, rng)
    times = (frames / (window.num_frames - 1)).astype(np.float32)
    if config.input is None:
        return Observation(np.zeros((0, 0, 3), np.float32), times)
    if config.input == "images":
        view = choose_view(stored, config.num_views, rng if random_view else None)
        images = read_images(stored, view, frames.tolist(), config.image_size)
        if not config.view_cameras:
            return Observation(images, times)
        return Observation(images, times, read_cameras(stored, view, frames.tolist()))
    clouds = _draw_clouds(config, stored, frames, rng, random_view=random_view)
    clouds = add_noise(clouds, config.input_noise, rng)
    same_rows = config.input_pointcloud_corresponding
    clouds = replace_by_outliers(clouds, config.input_outliers, rng, same_rows=same_rows)
    return Observation(clouds, times)


def _draw_clouds(
    config: DataConfig,
    stored: StoredWindow,
    frames: Int[np.ndarray, "K"],
    rng: np.random.Generator,
    *,
    random_view: bool,
) -> Float[np.ndarray, "K N 3"]:
    """Clouds of the same particles in all frames, or of other particles in each frame."""
    if is_partial(config):
        return _draw_partial_clouds(config, stored, frames, rng, random_view=random_view)
    count, folder = config.num_input_points, config.input_folder
    if config.input_pointcloud_corresponding:
        rows = draw_row_numbers(stored, 0, CLOUD_FOLDER, count, rng)
        return stored.trajectories(rows, frames.tolist())
    clouds = []
    for frame in frames.tolist():
        rows = draw_row_numbers(stored, frame, folder, count, rng)
        clouds.append(stored.surface_rows(frame, rows, folder))
    return np.stack(clouds)


def _draw_partial_clouds(
    config: DataConfig,
    stored: StoredWindow,
    frames: Int[np.ndarray, "K"],
    rng: np.random.Generator,
    *,
    random_view: bool,
) -> Float[np.ndarray, "K N 3"]:
    """Clouds of what a sensor sees of the surface.

    Particles that are observed in all frames must be seen in the first frame.
    """
    same_particles = config.input_pointcloud_corresponding
    drawn_from = [0] if same_particles else frames.tolist()
    whole = [stored.surface_points(frame, config.input_folder).points for frame in drawn_from]
    if config.input_folder == DEPTH_FOLDER and config.input_cameras:
        views = [stored.seen_by(frame) for frame in drawn_from]
        chosen = _choose_cameras(config, stored, views, rng if random_view else None)
        whole = [p[np.isin(v, chosen)] for p, v in zip(whole, views, strict=True)]
        _refuse_unseen(whole, drawn_from, chosen.tolist(), stored)
    sight = draw_sight(config, len(whole[0]), rng)
    try:
        rows = sight.choose(whole, config.num_input_points, rng)
    except ValueError as error:
        raise DataError(
            f"clip {stored.window.clip}: {error}; lower data.num_input_points or data.input_hole"
        ) from error
    if same_particles:
        return stored.trajectories(rows[0], frames.tolist())
    return np.stack([points[chosen] for points, chosen in zip(whole, rows, strict=True)])


def _choose_cameras(
    config: DataConfig,
    stored: StoredWindow,
    views: Sequence[Int[np.ndarray, "_"]],
    rng: np.random.Generator | None,
) -> Int[np.ndarray, "C"]:
    """So many of a clip's depth cameras: random ones, or without `rng` the first."""
    cameras, wanted = np.unique(np.concatenate(views)), config.input_cameras
    if wanted > len(cameras):
        raise DataError(
            f"clip {stored.window.clip}: {len(cameras)} depth cameras saw it, and "
            f"data.input_cameras asks for {wanted}; lower it, or set it to 0 for all"
        )
    return cameras[:wanted] if rng is None else rng.choice(cameras, wanted, replace=False)


def _refuse_unseen(
    seen: Sequence[Float[np.ndarray, "_ 3"]],
    frames: Sequence[int],
    cameras: Sequence[int],
    stored: StoredWindow,
) -> None:
    for cloud, frame in zip(seen, frames, strict=True):
        if not len(cloud):
            which = ", ".join(map(str, cameras))
            raise DataError(
                f"clip {stored.window.clip}: depth camera {which} saw nothing of frame "
                f"{stored.window.index(frame)}; set data.input_cameras to 0, or leave the clip out"
            )


def draw_row_numbers(
    stored: StoredWindow, frame: int, folder: str, count: int, rng: np.random.Generator
) -> Int[np.ndarray, "N"]:
    """Draw `count` different row numbers of the points of one frame.

    Raises:
        DataError: If the frame has fewer points.
    """
    total = stored.count_points(frame, folder)
    try:
        return choose_rows(total, count, rng, folder)
    except ValueError as error:
        raise DataError(
            f"clip {stored.window.clip}: {error}; lower data.num_points, data.num_input_points, "
            "data.num_correspondence_points or validation.num_points"
        ) from error
