"""Independent random numbers for each purpose, which do not depend on the order of work."""

from enum import IntEnum

import numpy as np


class Purpose(IntEnum):
    """The use of a random draw. The values are part of the data set: never renumber."""

    STYLE = 0
    SURFACE = 1
    UNIFORM = 2
    NEAR_SURFACE = 3
    DEPTH = 4


def random_for(
    seed: int, body: int, motion: int, purpose: Purpose, frame: int = 0
) -> np.random.Generator:
    """A separate generator for one purpose in one frame of one clip."""
    return np.random.default_rng(np.random.SeedSequence([seed, body, motion, purpose, frame]))
