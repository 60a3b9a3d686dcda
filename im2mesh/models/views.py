"""Observed images together with their cameras, in place of images alone."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Views:
    """Images, and where each of them shows a point of space. Sliced like the images.

    Attributes:
        images: RGB in [0, 1].
        cameras: Matrices P from positions in the frame of the first mesh to the image: with
            (u, v, w) = P (p, 1), a point p is seen at (u / w, v / w), where (-1, -1) is the upper
            left corner of the image and (1, 1) the lower right one.
    """

    images: Float[Tensor, "B K 3 H W"]
    cameras: Float[Tensor, "B K 3 4"]

    @property
    def shape(self) -> torch.Size:
        return self.images.shape

    @property
    def device(self) -> torch.device:
        return self.images.device

    def __getitem__(self, which: tuple[slice, ...]) -> "Views":
        """Some sequences, and some of their frames."""
        return Views(self.images[which], self.cameras[which])


def without_cameras(observed: Tensor | Views) -> Float[Tensor, "B K *frame"]:
    """The observed frames alone."""
    return observed.images if isinstance(observed, Views) else observed


def with_cameras(
    observed: Float[Tensor, "B K *frame"], cameras: Float[Tensor, "_ _ 3 4"]
) -> Tensor | Views:
    """What a model observes: images with their cameras, where these are known, or the frames."""
    return Views(observed, cameras) if cameras.shape[1] else observed
