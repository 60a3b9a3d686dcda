"""What was observed of a clip, and the windows in which a fit goes through it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

WINDOW = 17
"""Frames that are fitted at once."""
ADVANCE = 12
"""Frames from the start of one window to the start of the next."""


@dataclass(frozen=True)
class ObservedClip:
    """What was observed of a clip, in the units of the surface.

    Attributes:
        clouds: Points of every frame, any number of them.
        times: Times of the frames, strictly increasing, in any unit.
        key: Index of the frame at which the surface is known, or guessed.
        corresponding: Whether row n is the same particle in all clouds.
    """

    clouds: Sequence[Float[np.ndarray, "_ 3"]]
    times: Float[np.ndarray, "T"]
    key: int = 0
    corresponding: bool = False

    @property
    def key_time(self) -> float:
        return float(self.times[self.key])

    @property
    def later(self) -> "ObservedClip":
        """From the key frame to the last one."""
        return ObservedClip(self.clouds[self.key :], self.times[self.key :], 0, self.corresponding)

    @property
    def earlier(self) -> "ObservedClip":
        """From the key frame back to the first one; the clock runs backward."""
        back = slice(self.key, None, -1)
        return ObservedClip(self.clouds[back], -self.times[back], 0, self.corresponding)

    @property
    def is_mostly_later(self) -> bool:
        """Whether at least as many frames come after the key frame as before it."""
        return 2 * self.key < len(self.times)

    @property
    def first_window(self) -> "ObservedClip":
        """The window that begins at the key frame and goes to the side with more frames."""
        side = self.later if self.is_mostly_later else self.earlier
        return ObservedClip(side.clouds[:WINDOW], side.times[:WINDOW], 0, self.corresponding)


def windows(num_frames: int) -> list[tuple[int, int]]:
    """First and last frame of every window; none for a single frame.

    They overlap: the last frames of each are the least certain, so the next begins before them.
    """
    starts = range(0, max(num_frames - WINDOW, 0) + ADVANCE, ADVANCE) if num_frames > 1 else ()
    return [(first, min(first + WINDOW, num_frames) - 1) for first in starts]
