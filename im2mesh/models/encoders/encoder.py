"""What the wiring must know of an encoder."""

from typing import ClassVar

from torch import nn

from im2mesh.models.code import Code


class Encoder(nn.Module):
    """(inputs, times) -> a vector per sequence [B, C], or a whole code.

    Attributes:
        input_kind: What it reads, as data.input names it.
        needs_corresponding_points: Whether row n of all clouds must be the same particle.
        sees_times: Whether any number of frames can be read, at any times.
        needs_several_frames: Whether what it gives comes of comparing frames, so that it is no
            encoder of the first frame alone.
        gives: The kind of code; `Code` for a vector.
    """

    input_kind: ClassVar[str] = "pointcloud"
    needs_corresponding_points: ClassVar[bool] = False
    sees_times: ClassVar[bool] = False
    needs_several_frames: ClassVar[bool] = False
    gives: ClassVar[type[Code]] = Code
