"""Windows -> samples: which rows are drawn, from which files."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from torch.utils.data import Dataset

from im2mesh.config import DataConfig
from im2mesh.data.batch import Sample
from im2mesh.data.fields import LabelledPoints, read_labelled_points, read_trajectories
from im2mesh.data.observation import draw_observation, draw_row_numbers
from im2mesh.data.sequences import CLOUD_FOLDER, NEAR_POINTS_FOLDER, POINTS_FOLDER, Window
from im2mesh.randomness import Purpose, random_stream


class WindowDataset(Dataset[Sample]):
    """Samples for training and validation.

    Indexed by *draw*: draw k is item k % len(windows) of pass k // len(windows) over the windows,
    each pass in an order of its own. All randomness of a draw follows from (seed, k), so training
    can stop and resume at any k, with any number of workers, and see the same samples.

    Args:
        windows: The windows of a split.
        config: What to draw.
        seed: Root of all randomness.
        shuffle: For training: an order of its own for every pass, and random views of images.
        num_points: Labelled points per window and frame.
    """

    def __init__(
        self,
        windows: Sequence[Window],
        config: DataConfig,
        *,
        seed: int,
        shuffle: bool,
        num_points: int,
    ) -> None:
        self.windows = list(windows)
        self.config = config
        self.seed = seed
        self.shuffle = shuffle
        self.num_points = num_points
        self._purpose = Purpose.SAMPLE if shuffle else Purpose.VALIDATION
        self._order = (-1, np.arange(0))  # the pass last asked for, and its order

    def __len__(self) -> int:
        return len(self.windows)

    def __getitem__(self, draw: int) -> Sample:
        window = self._window_of(draw)
        rng = random_stream(self.seed, self._purpose, draw)
        frame = int(rng.integers(1, window.num_frames))
        at_0 = self._draw_labelled_points(window, 0, rng)
        at_t = self._draw_labelled_points(window, frame, rng)
        pointcloud = self._draw_trajectories(window, rng)
        observed = draw_observation(self.config, window, rng, random_view=self.shuffle)
        return Sample(
            window=window,
            inputs=observed.inputs,
            input_times=observed.times,
            points_0=at_0.points,
            occupancy_0=at_0.occupancy.astype(np.float32),
            points_t=at_t.points,
            occupancy_t=at_t.occupancy.astype(np.float32),
            t=frame / (window.num_frames - 1),
            pointcloud=pointcloud,
        )

    def _draw_trajectories(
        self, window: Window, rng: np.random.Generator
    ) -> Float[np.ndarray, "T M 3"]:
        """Exact surface points, followed over all frames."""
        count = self.config.num_correspondence_points
        if count == 0:  # rows need not correspond, then
            return np.zeros((window.num_frames, 0, 3), np.float32)
        rows = draw_row_numbers(self.config, window, 0, CLOUD_FOLDER, count, rng)
        return read_trajectories(self.config.root, window, rows)

    def _window_of(self, draw: int) -> Window:
        number, position = divmod(draw, len(self.windows))
        if not self.shuffle:
            return self.windows[position]
        if self._order[0] != number:
            shuffled = random_stream(self.seed, Purpose.ORDER, number)
            self._order = (number, shuffled.permutation(len(self.windows)))
        return self.windows[self._order[1][position]]

    def _draw_labelled_points(
        self, window: Window, frame: int, rng: np.random.Generator
    ) -> LabelledPoints:
        num_near = round(self.num_points * self.config.near_surface_fraction)
        parts = [
            self._draw_rows(window, frame, folder, count, rng)
            for folder, count in (
                (POINTS_FOLDER, self.num_points - num_near),
                (NEAR_POINTS_FOLDER, num_near),
            )
            if count
        ]
        if not parts:  # a method without occupancy; its clips may lack the folder
            return LabelledPoints(np.zeros((0, 3), np.float32), np.zeros(0, np.bool_))
        return LabelledPoints(
            np.concatenate([part.points for part in parts]),
            np.concatenate([part.occupancy for part in parts]),
        )

    def _draw_rows(
        self, window: Window, frame: int, folder: str, count: int, rng: np.random.Generator
    ) -> LabelledPoints:
        rows = draw_row_numbers(self.config, window, frame, folder, count, rng)
        return read_labelled_points(self.config.root, window, frame, rows, folder)


def spread_windows(windows: Sequence[Window], max_windows: int | None) -> list[Window]:
    """At most `max_windows` of them, evenly spread."""
    if max_windows is None or max_windows >= len(windows):
        return list(windows)
    return [windows[i] for i in np.linspace(0, len(windows) - 1, max_windows).round().astype(int)]
