"""What a program that follows trainings is told."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, UInt8


class Tracker:
    """Receives what a training tells; all but texts belong to an iteration.

    What a program cannot show, its class leaves out: here nothing is done. To add one, see
    docs/extending.md.
    """

    def scalars(self, values: Mapping[str, float], iteration: int) -> None:
        """Points of curves, by the names of the curves."""

    def reference(self, name: str, values: Mapping[str, float], iteration: int) -> None:
        """Points of the curves of another training, to be shown beside those of this one."""

    def histogram(self, name: str, values: Float[np.ndarray, "N"], iteration: int) -> None:
        """How numbers are distributed."""

    def image(self, name: str, pixels: UInt8[np.ndarray, "H W 3"], iteration: int) -> None:
        """A picture."""

    def video(
        self, name: str, frames: UInt8[np.ndarray, "T H W 3"], fps: float, iteration: int
    ) -> None:
        """A moving picture."""

    def text(self, name: str, content: str) -> None:
        """A text that is shown beside the curves."""

    def close(self, failed: bool) -> None:
        """Write what is still held, and that the training failed, if it did."""


class Trackers(Tracker):
    """Several trackers, which are told the same."""

    def __init__(self, trackers: Sequence[Tracker]) -> None:
        self._trackers = trackers

    def scalars(self, values: Mapping[str, float], iteration: int) -> None:
        for tracker in self._trackers:
            tracker.scalars(values, iteration)

    def reference(self, name: str, values: Mapping[str, float], iteration: int) -> None:
        for tracker in self._trackers:
            tracker.reference(name, values, iteration)

    def histogram(self, name: str, values: Float[np.ndarray, "N"], iteration: int) -> None:
        for tracker in self._trackers:
            tracker.histogram(name, values, iteration)

    def image(self, name: str, pixels: UInt8[np.ndarray, "H W 3"], iteration: int) -> None:
        for tracker in self._trackers:
            tracker.image(name, pixels, iteration)

    def video(
        self, name: str, frames: UInt8[np.ndarray, "T H W 3"], fps: float, iteration: int
    ) -> None:
        for tracker in self._trackers:
            tracker.video(name, frames, fps, iteration)

    def text(self, name: str, content: str) -> None:
        for tracker in self._trackers:
            tracker.text(name, content)

    def close(self, failed: bool) -> None:
        for tracker in self._trackers:
            tracker.close(failed)
