"""How one body performs one motion: pace, size and phase, drawn once per clip."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

FRAMES_PER_SECOND = 60
_NUM_WAVES = 3


@dataclass(frozen=True)
class Style:
    """The manner of one clip.

    pace scales speed and size scales amplitude, both around 1; phase is in radians; side is +1 if
    the body favours its left, else -1; unevenness in [-1, 1] makes one side do more than the other.
    """

    times: Float[np.ndarray, "T"]  # seconds
    pace: float
    size: float
    phase: float
    side: int
    unevenness: float
    waves: Float[np.ndarray, "K 3"]  # hertz, phase (radians) and amplitude of slow waves

    def cycle(self, hertz: float) -> Float[np.ndarray, "T"]:
        """Angle (radians) of a movement that repeats `hertz` times a second at pace 1."""
        return 2 * np.pi * hertz * self.pace * self.times + self.phase

    def wander(self, amount: float, lag: int | float = 0) -> Float[np.ndarray, "T"]:
        """A slow, smooth variation of about +-amount; each lag (radians) gives another curve."""
        hertz, phase, amplitude = self.waves.T[..., None]
        angles = (
            2 * np.pi * hertz * self.times + phase + lag * np.arange(1, _NUM_WAVES + 1)[:, None]
        )
        return amount * np.sum(amplitude * np.sin(angles), axis=0)

    def left(self, amount: float = 0.1) -> float:
        """Factor on the amplitude of the left side."""
        return 1.0 + amount * self.unevenness

    def right(self, amount: float = 0.1) -> float:
        """Factor on the amplitude of the right side."""
        return 1.0 - amount * self.unevenness


def draw_style(num_frames: int, rng: np.random.Generator) -> Style:
    """Draw the manner of one clip."""
    waves = np.stack(
        [
            rng.uniform(0.15, 0.6, _NUM_WAVES),
            rng.uniform(0.0, 2 * np.pi, _NUM_WAVES),
            rng.dirichlet(np.ones(_NUM_WAVES)),
        ],
        axis=1,
    )
    return Style(
        times=np.arange(num_frames) / FRAMES_PER_SECOND,
        pace=float(rng.uniform(0.92, 1.08)),
        size=float(rng.uniform(0.9, 1.1)),
        phase=float(rng.uniform(0.0, 2 * np.pi)),
        side=int(rng.choice([-1, 1])),
        unevenness=float(rng.uniform(-1.0, 1.0)),
        waves=waves,
    )
