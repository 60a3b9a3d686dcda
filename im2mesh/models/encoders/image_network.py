"""A residual network for small images: an image -> feature maps of several sizes."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from im2mesh.models.layers.blocks import FullPrecisionConv

NUM_LEVELS = 4
"""Sizes at which images are looked at: a half, a quarter, an eighth and a sixteenth."""
GROUPS = 8
"""Groups of channels that are normalised together (Wu and He, Group Normalization, ECCV 2018)."""


class ImageNetwork(nn.Module):
    """Pre-activation residual blocks (He et al., ECCV 2016), one per size of the image.

    Kernels that halve the image are even, so that each cell of a map stands in the middle of the
    pixels that it is made of, and the maps of all sizes lie over each other.

    Every halving of the image doubles the channels. Normalisation is over groups of channels of one
    image, so that, unlike batch norm, it is the same in training and in use, however small batches
    are and however different their images.

    Args:
        channels: Channels of the images.
        width: Channels after the first layer, a multiple of 8.
        num_sights: Numbers that say of each pixel where it looks; 0 for none. What the first layer
            adds for them is 0 in a fresh network, so that one which knew images alone can learn
            from there what they mean, and forgets nothing by it.
    """

    min_image_size = 2**NUM_LEVELS

    def __init__(self, channels: int, width: int, num_sights: int = 0) -> None:
        super().__init__()
        if width % GROUPS:
            raise ValueError(f"width {width} of an image encoder must be a multiple of {GROUPS}")
        self.widths = [width * 2**level for level in range(NUM_LEVELS)]
        self.conv_in = nn.Conv2d(channels, width, 6, stride=2, padding=2)
        self.conv_sight = None
        if num_sights:
            self.conv_sight = FullPrecisionConv(
                num_sights, width, 6, stride=2, padding=2, bias=False
            )
            nn.init.zeros_(self.conv_sight.weight)
        before = [width, *self.widths[:-1]]
        self.blocks = nn.ModuleList(
            ConvBlock(size_in, size_out, stride=1 if level == 0 else 2)
            for level, (size_in, size_out) in enumerate(zip(before, self.widths, strict=True))
        )

    def forward(
        self,
        images: Float[Tensor, "M D H W"],
        sights: Float[Tensor, "M E H W"] | None = None,
    ) -> list[Float[Tensor, "M _ _ _"]]:
        """Feature maps from fine to coarse, of images and of where their pixels look."""
        x, maps = self.conv_in(images), []
        if self.conv_sight is not None:
            assert sights is not None
            x = x + self.conv_sight(sights)
        for block in self.blocks:
            x = block(x)
            maps.append(x)
        return maps


class ConvBlock(nn.Module):
    """shortcut(x) + conv_1(relu(norm_1(conv_0(relu(norm_0(x)))))); starts as its shortcut."""

    def __init__(self, size_in: int, size_out: int, stride: int) -> None:
        super().__init__()
        self.norm_0 = nn.GroupNorm(GROUPS, size_in)
        self.conv_0 = nn.Conv2d(size_in, size_out, 2 + stride, stride=stride, padding=1)
        self.norm_1 = nn.GroupNorm(GROUPS, size_out)
        self.conv_1 = nn.Conv2d(size_out, size_out, 3, padding=1)
        self.shortcut = (
            nn.Identity()
            if size_in == size_out and stride == 1
            else nn.Conv2d(size_in, size_out, stride, stride=stride)
        )
        nn.init.zeros_(self.conv_1.weight)

    def forward(self, x: Float[Tensor, "M D H W"]) -> Float[Tensor, "M E H2 W2"]:
        hidden = self.conv_0(F.relu(self.norm_0(x)))
        return self.shortcut(x) + self.conv_1(F.relu(self.norm_1(hidden)))
