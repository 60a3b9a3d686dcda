"""Which of some frames a model sees."""

import numpy as np
from jaxtyping import Int

from im2mesh.config.schema import DataConfig
from im2mesh.data.frame_choice import choose_frames
from im2mesh.errors import UserError


def of_length(data: DataConfig, count: int) -> DataConfig:
    """The section for windows of another length than those of the training."""
    return data.model_copy(update={"num_frames": count})


def observed_frames(name: str, data: DataConfig, count: int) -> Int[np.ndarray, "K"]:
    """Numbers of the frames that a model sees of a window, the same every time.

    Args:
        name: Of the window, for messages.
        data: Section of the model's configuration.
        count: Number of frames of the window, which may be another than in training.

    Raises:
        UserError: If the model sees more frames than there are.
    """
    if count == 1:
        return np.zeros(1, np.int64)
    asked = of_length(data, count)
    if asked.observed_frames > count:
        raise UserError(
            f"{name}: these weights see {asked.observed_frames} of {data.num_frames} frames, and "
            f"here are {count}; choose more frames"
        )
    return choose_frames(asked, count, np.random.default_rng(0))
