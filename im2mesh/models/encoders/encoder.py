"""The base class of encoders, and what the wiring must know of each."""

from typing import ClassVar

from torch import nn

from im2mesh.models.code import Code


class Encoder(nn.Module):
    """Base of encoders: (inputs, times) -> a vector per sequence [B, C], or a whole code.

    Attributes:
        input_kind: Kind of frames that the encoder reads, as data.input names it.
        needs_corresponding_points: Whether row n of all clouds must be the same particle.
        sees_times: Whether the encoder reads any number of frames, at any times.
        needs_several_frames: Whether the code comes from comparing frames, so that the first frame
            alone cannot be encoded.
        sees_all_frames: Whether the encoder of the shape reads all frames, and not the first alone.
        needs_view_cameras: Whether the images must come with their cameras.
        gives: Kind of code that comes back; `Code` for a vector.
    """

    input_kind: ClassVar[str] = "pointcloud"
    needs_corresponding_points: ClassVar[bool] = False
    sees_times: ClassVar[bool] = False
    needs_several_frames: ClassVar[bool] = False
    sees_all_frames: ClassVar[bool] = False
    needs_view_cameras: ClassVar[bool] = False
    gives: ClassVar[type[Code]] = Code

    def load_pretrained(self) -> None:
        """Load weights that were trained elsewhere, if there are any."""
