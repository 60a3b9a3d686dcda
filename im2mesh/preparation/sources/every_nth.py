"""Clips of a lower frame rate: every n-th frame of another clip."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from im2mesh.errors import UserError
from im2mesh.preparation.sources.clip_source import ClipSource, FrameReader

_TOLERANCE = 1e-3  # of the ratio of two frame rates: 59.94 is 60


@dataclass(frozen=True)
class EveryNth(ClipSource):
    """Every n-th frame of a clip, from the first on."""

    whole: ClipSource
    step: int

    @property
    def promises_correspondence(self) -> bool:
        return self.whole.promises_correspondence

    @property
    def name(self) -> str:
        return self.whole.name

    @property
    def numbers(self) -> Sequence[int]:
        return self.whole.numbers[:: self.step]

    def where(self, index: int) -> str:
        return self.whole.where(index * self.step)

    @contextmanager
    def open(self) -> Iterator[FrameReader]:
        with self.whole.open() as read:
            yield lambda index: read(index * self.step)


def step_between(fps: float, source_fps: float | None) -> int:
    """How many frames of the source make one frame at the wanted rate.

    Raises:
        UserError: If the rate of the source is not known, or is no multiple of the wanted one.
    """
    if source_fps is None:
        raise UserError(
            f"--fps {fps:g} needs the frames a second that the source was recorded with; give "
            "--source-fps, too"
        )
    step = round(source_fps / fps)
    if step < 1 or abs(source_fps / (step * fps) - 1) > _TOLERANCE:
        possible = ", ".join(f"{source_fps / n:g}" for n in range(1, 6))
        raise UserError(
            f"--fps {fps:g} does not divide the {source_fps:g} frames a second of the source; "
            f"frames are left out, never made up: choose one of {possible}, ..."
        )
    return step
