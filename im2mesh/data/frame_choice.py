"""Which frames of a window are observed."""

import numpy as np
from jaxtyping import Int

from im2mesh.config.schema import DataConfig


def choose_frames(
    config: DataConfig, num_frames: int, rng: np.random.Generator
) -> Int[np.ndarray, "K"]:
    """Numbers of the observed frames of a window; the first is always among them."""
    count = config.observed_frames
    if config.input_frames == "random" and count < num_frames:
        later = rng.choice(num_frames - 1, max(0, count - 1), replace=False) + 1
        return np.sort(np.concatenate([[0], later]))
    return np.linspace(0, num_frames - 1, count).round().astype(np.int64)
