"""Codes that keep the places of features in the images."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from im2mesh.models.code import Code


@dataclass(frozen=True)
class PixelCode(Code):
    """Feature maps of the observed images, and the cameras that took these.

    Attributes:
        maps: One feature map per observed frame, as wide as the code c.
        cameras: See `Views.cameras`.
        times: Times of the frames, increasing from 0.
    """

    maps: Float[Tensor, "B K C H W"]
    cameras: Float[Tensor, "B K 3 4"]
    times: Float[Tensor, "B K"]
