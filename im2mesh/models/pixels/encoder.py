"""The encoder that keeps what is seen at each place of each image."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from im2mesh.config.values import PositiveInt
from im2mesh.models.encoders.image_network import NUM_LEVELS
from im2mesh.models.encoders.image_resnet import ImageResnet
from im2mesh.models.pixels.code import PixelCode
from im2mesh.models.pixels.projection import lines_of_sight
from im2mesh.models.views import Views


class ImagePixels(ImageResnet):
    """An `ImageResnet` that also keeps what is seen at each place of each image.

    The maps of all sizes are brought to the finest and added up (Lin et al., Feature Pyramid
    Networks, CVPR 2017). For what a point reads there, see `PixelReader`.

    It is also told where each pixel looks (Liu et al., CoordConv, NeurIPS 2018): where its line of
    sight is nearest to the middle of the body, and how high that is. One image shows how far away
    a body is by this alone: its height is known, so the higher in space its head appears before a
    camera that looks down, the farther back it must stand. What is added for this is 0 at first, so
    an encoder of images alone can learn from there.

    Args:
        num_frames, code_size, width, hidden_size: See `ImageResnet`.
        halvings: How often the maps are halved, 1 to 4: at 2, four pixels of an image are one of
            its map, in both directions.
    """

    needs_view_cameras = True
    gives = PixelCode
    num_sights = 4

    def __init__(
        self,
        num_frames: int,
        code_size: int,
        *,
        width: PositiveInt = 32,
        hidden_size: PositiveInt = 128,
        halvings: PositiveInt = 1,
    ) -> None:
        super().__init__(num_frames, code_size, width=width, hidden_size=hidden_size)
        if halvings > NUM_LEVELS:
            raise ValueError(f"halvings of encoder 'image_pixels' is {halvings}, at most 4")
        self.finest = halvings - 1
        sizes = self.network.widths[self.finest :]
        self.to_map = nn.ModuleList(nn.Conv2d(size, code_size, 1) for size in sizes)

    def forward(
        self, observed: Float[Tensor, "B K 3 H W"] | Views, times: Float[Tensor, "B K"]
    ) -> PixelCode:
        """Encode images whose cameras are known.

        Raises:
            ValueError: If there are no cameras, or the shape is not one of images.
        """
        if not isinstance(observed, Views):
            raise ValueError(
                "encoder 'image_pixels' needs the cameras of the images; set data.view_cameras"
            )
        c, maps = self._see(observed, times, where_pixels_look(observed).flatten(0, 1))
        used = zip(self.to_map, maps[self.finest :], strict=True)
        *finer, coarse = [layer(level) for layer, level in used]
        for level in reversed(finer):
            size = (level.shape[2], level.shape[3])
            coarse = level + F.interpolate(coarse, size, mode="bilinear", align_corners=False)
        joined = coarse.unflatten(0, times.shape)
        return PixelCode(c, c.new_zeros(len(c), 0), joined, observed.cameras, times)


def where_pixels_look(views: Views) -> Float[Tensor, "B K 4 H W"]:
    """Where each pixel looks: the place nearest to the middle of the body, and its height."""
    nearest = lines_of_sight(views.cameras, *views.images.shape[-2:])
    height = (nearest * views.up[:, None, :, None, None]).sum(2, keepdim=True)
    return torch.cat([nearest, height], 2)
