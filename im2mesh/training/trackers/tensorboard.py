"""Event files that TensorBoard shows, and from which the curves of pages are read."""

import re
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from tensorboard.compat.proto.summary_pb2 import Summary  # pyright: ignore[reportAttributeAccessIssue]
from torch.utils.tensorboard import SummaryWriter

from im2mesh.training.trackers.animation import encode_gif
from im2mesh.training.trackers.tracker import Tracker


class TensorBoard(Tracker):
    """Writes event files that hide the entries of older files beyond an iteration.

    Args:
        folder: Folder of the event files.
        iteration: Number of steps done before.
    """

    def __init__(self, folder: Path, iteration: int) -> None:
        self._folder = folder
        self._iteration = iteration
        self._writer = _open(folder, iteration)
        self._others: dict[str, SummaryWriter] = {}

    def scalars(self, values: Mapping[str, float], iteration: int) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, iteration)

    def reference(self, name: str, values: Mapping[str, float], iteration: int) -> None:
        """In a folder below, which TensorBoard shows as another run, in the same charts."""
        if name not in self._others:
            self._others[name] = _open(self._folder / name, self._iteration)
        for tag, value in values.items():
            self._others[name].add_scalar(tag, value, iteration)

    def histogram(self, name: str, values: Float[np.ndarray, "N"], iteration: int) -> None:
        self._writer.add_histogram(name, values, iteration)

    def image(self, name: str, pixels: UInt8[np.ndarray, "H W 3"], iteration: int) -> None:
        self._writer.add_image(name, pixels, iteration, dataformats="HWC")

    def video(
        self, name: str, frames: UInt8[np.ndarray, "T H W 3"], fps: float, iteration: int
    ) -> None:
        """As a GIF among the images, which browsers play; add_video would need one more library."""
        _, height, width, _ = frames.shape
        picture = Summary.Image(
            height=height, width=width, colorspace=3, encoded_image_string=encode_gif(frames, fps)
        )
        summary = Summary(value=[Summary.Value(tag=name, image=picture)])
        writer = self._writer.file_writer
        assert writer is not None  # it is open
        writer.add_summary(summary, iteration)

    def text(self, name: str, content: str) -> None:
        self._writer.add_text(name, content)

    def close(self, failed: bool) -> None:
        for writer in (self._writer, *self._others.values()):
            writer.close()


def _open(folder: Path, iteration: int) -> SummaryWriter:
    """TensorBoard reads event files in the order of their names, which begin with the second of
    their start. So a training that restarts within the same second waits for the next second."""
    names = (re.search(r"tfevents\.(\d+)", path.name) for path in folder.glob("*tfevents*"))
    newest = max((int(name[1]) for name in names if name), default=0)
    time.sleep(max(0.0, min(1.0, newest + 1 - time.time())))
    return SummaryWriter(folder, purge_step=iteration + 1)
