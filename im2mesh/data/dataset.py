"""Windows -> samples: draws the rows of the files that make up each sample."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from jaxtyping import Float

from im2mesh.config.schema import Config, DataConfig
from im2mesh.data.augmentation import augment
from im2mesh.data.batch import Sample, SampleDataset
from im2mesh.data.clip_files import clip_files
from im2mesh.data.frames import LabelledPoints, StoredWindow
from im2mesh.data.images import choose_views
from im2mesh.data.layout import (
    CLOUD_FOLDER,
    DEPTH_FOLDER,
    NEAR_POINTS_FOLDER,
    POINTS_FOLDER,
    Window,
)
from im2mesh.data.observation import draw_observation, draw_row_numbers
from im2mesh.data.variety import vary
from im2mesh.data.windows import read_windows
from im2mesh.errors import ConfigError
from im2mesh.randomness import Purpose, random_stream


class WindowDataset(SampleDataset):
    """Samples for training and validation.

    Indexed by *draw*: draw k is item k % len(windows) of pass k // len(windows) over the windows,
    each pass in an order of its own. All randomness of a draw follows from (seed, k), so training
    can stop and resume at any k, with any number of workers, and see the same samples.

    Args:
        windows: The windows of a split.
        config: Section `data` of the configuration, which says what is drawn.
        seed: Seed from which all randomness follows.
        shuffle: Whether samples are for training: passes differ in order, and views are random.
        num_points: Number of labelled points at t = 0, and again at one random frame.
        batch_size: Number of consecutive draws whose clouds must be of one size.
    """

    def __init__(
        self,
        windows: Sequence[Window],
        config: DataConfig,
        *,
        seed: int,
        shuffle: bool,
        num_points: int,
        batch_size: int = 1,
    ) -> None:
        self.windows = list(windows)
        self.config = config
        self.seed = seed
        self.shuffle = shuffle
        self.num_points = num_points
        self.batch_size = batch_size
        self._purpose = Purpose.SAMPLE if shuffle else Purpose.VALIDATION
        self._order = (-1, np.arange(0))  # number and order of the latest pass

    def __len__(self) -> int:
        return len(self.windows)

    def __getitem__(self, draw: int) -> Sample:
        window = self._window_of(draw)
        rng = random_stream(self.seed, self._purpose, draw)
        frame = int(rng.integers(1, window.num_frames))
        stored = StoredWindow(self.config.root, window)
        at_0 = self._draw_labelled_points(stored, 0, rng)
        at_t = self._draw_labelled_points(stored, frame, rng)
        pointcloud = self._draw_trajectories(stored, rng)
        config = self._observed_as(draw, stored, rng)
        observed = draw_observation(config, window, rng, random_view=self.shuffle)
        sample = Sample(
            window=window,
            inputs=observed.inputs,
            input_times=observed.times,
            cameras=observed.cameras,
            points_0=at_0.points,
            occupancy_0=at_0.occupancy.astype(np.float32),
            points_t=at_t.points,
            occupancy_t=at_t.occupancy.astype(np.float32),
            t=frame / (window.num_frames - 1),
            pointcloud=pointcloud,
        )
        return augment(sample, rng) if self.shuffle and self.config.augment else sample

    def _observed_as(self, draw: int, stored: StoredWindow, rng: np.random.Generator) -> DataConfig:
        if not (self.shuffle and self.config.input_variety):
            return self.config
        folder = self.config.input_folder
        count = _seen_least if folder == DEPTH_FOLDER else partial(_count_first, folder=folder)
        batch = draw // self.batch_size
        return vary(self.config, self.seed, batch, partial(count, stored), rng)

    def _draw_trajectories(
        self, stored: StoredWindow, rng: np.random.Generator
    ) -> Float[np.ndarray, "T M 3"]:
        """Draw surface points, without noise, and follow them over all frames."""
        count = self.config.num_correspondence_points
        if count == 0:  # the rows of the clip may not correspond
            return np.zeros((stored.window.num_frames, 0, 3), np.float32)
        rows = draw_row_numbers(stored, 0, CLOUD_FOLDER, count, rng)
        return stored.trajectories(rows)

    def _window_of(self, draw: int) -> Window:
        number, position = divmod(draw, len(self.windows))
        if not self.shuffle:
            return self.windows[position]
        if self._order[0] != number:
            shuffled = random_stream(self.seed, Purpose.ORDER, number)
            self._order = (number, shuffled.permutation(len(self.windows)))
        return self.windows[self._order[1][position]]

    def _draw_labelled_points(
        self, stored: StoredWindow, frame: int, rng: np.random.Generator
    ) -> LabelledPoints:
        num_near = round(self.num_points * self.config.near_surface_fraction)
        parts = [
            self._draw_rows(stored, frame, folder, count, rng)
            for folder, count in (
                (POINTS_FOLDER, self.num_points - num_near),
                (NEAR_POINTS_FOLDER, num_near),
            )
            if count
        ]
        if not parts:  # a method without occupancy, whose clips may lack the folder
            return LabelledPoints(np.zeros((0, 3), np.float32), np.zeros(0, np.bool_))
        return LabelledPoints(
            np.concatenate([part.points for part in parts]),
            np.concatenate([part.occupancy for part in parts]),
        )

    def _draw_rows(
        self, stored: StoredWindow, frame: int, folder: str, count: int, rng: np.random.Generator
    ) -> LabelledPoints:
        rows = draw_row_numbers(stored, frame, folder, count, rng)
        return stored.labelled_points(frame, rows, folder)


def _count_first(stored: StoredWindow, folder: str) -> int:
    return stored.count_points(0, folder)


def _seen_least(stored: StoredWindow) -> int:
    """The least number of points that a depth camera saw of a frame."""
    seen = [stored.seen_by(frame) for frame in range(stored.window.num_frames)]
    cameras = np.unique(np.concatenate(seen))
    return max(1, min(int((of == camera).sum()) for of in seen for camera in cameras))


def spread_windows(windows: Sequence[Window], max_windows: int | None) -> list[Window]:
    """At most `max_windows` of the windows, evenly spread."""
    if max_windows is None or max_windows >= len(windows):
        return list(windows)
    return [windows[i] for i in np.linspace(0, len(windows) - 1, max_windows).round().astype(int)]


def build_windows(
    config: Config, split: str, *, stride: int, clips: Sequence[str] | None = None
) -> list[Window]:
    data = config.data
    return read_windows(
        data.root,
        split,
        num_frames=data.num_frames,
        frame_step=data.frame_step,
        stride=stride,
        skip_frames=data.skip_frames,
        categories=data.categories,
        clips=clips,
    )


def build_validation_windows(config: Config) -> list[Window]:
    """All windows from which a training's validation chooses, and its pictures."""
    stride = config.validation.stride or config.data.eval_stride
    return build_windows(config, config.data.val_split, stride=stride)


def build_training_data(config: Config) -> WindowDataset:
    windows = build_windows(config, config.data.train_split, stride=config.data.stride)
    if config.data.input is None and len(windows) > 1:
        raise ConfigError(
            "a model without an input can learn only one window, but split "
            f"'{config.data.train_split}' has {len(windows)}: {windows[0]}, {windows[1]}, ...; "
            "raise data.stride or data.num_frames"
        )
    num_points = config.data.num_points if _needs_labels(config, windows) else 0
    _refuse_missing(config.data, windows, num_points)
    return WindowDataset(
        windows,
        config.data,
        seed=config.training.seed,
        shuffle=True,
        num_points=num_points,
        batch_size=config.training.batch_size,
    )


def _refuse_missing(data: DataConfig, windows: Sequence[Window], num_points: int) -> None:
    """Refuse clips without what training draws only now and then: it would stop late."""
    for window in {(w.category, w.clip): w for w in windows}.values():
        if data.input == "images":
            choose_views(StoredWindow(data.root, window), data.num_views)
        if num_points and data.near_surface_fraction:
            clip_files(data.root, window.category, window.clip, NEAR_POINTS_FOLDER)


def build_validation_data(config: Config, windows: Sequence[Window]) -> WindowDataset:
    """Samples of the validation windows that the config uses; their points are all uniform."""
    return WindowDataset(
        spread_windows(windows, config.validation.max_windows),
        config.data.model_copy(update={"near_surface_fraction": 0.0}),
        seed=config.training.seed,
        shuffle=False,
        num_points=config.validation.num_points if _needs_labels(config, windows) else 0,
    )


def _needs_labels(config: Config, windows: Sequence[Window]) -> bool:
    """Whether labelled points are drawn. A training by correspondence alone does without them if a
    clip lacks them; its validation then has no IoU."""
    if config.loss.reconstruction:
        return True
    one_per_clip = {(window.category, window.clip): window for window in windows}.values()
    return all(StoredWindow(config.data.root, window).has_labels() for window in one_per_clip)
