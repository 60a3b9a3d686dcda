"""The encoder that keeps what is seen at each place of each image."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from im2mesh.config.values import PositiveInt
from im2mesh.models.encoders.image_network import NUM_LEVELS
from im2mesh.models.encoders.image_resnet import ImageResnet
from im2mesh.models.pixels.code import PixelCode
from im2mesh.models.views import Views


class ImagePixels(ImageResnet):
    """An `ImageResnet` that also keeps what is seen at each place of each image.

    The maps of all sizes are brought to the finest and added up (Lin et al., Feature Pyramid
    Networks, CVPR 2017). For what a point reads there, see `PixelReader`.

    Args:
        num_frames, code_size, width, hidden_size: See `ImageResnet`.
        halvings: How often the maps are halved, 1 to 4: at 2, four pixels of an image are one of
            its map, in both directions.
    """

    needs_view_cameras = True
    gives = PixelCode

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
        c, maps = self._see(observed, times)
        used = zip(self.to_map, maps[self.finest :], strict=True)
        *finer, coarse = [layer(level) for layer, level in used]
        for level in reversed(finer):
            size = (level.shape[2], level.shape[3])
            coarse = level + F.interpolate(coarse, size, mode="bilinear", align_corners=False)
        joined = coarse.unflatten(0, times.shape)
        return PixelCode(c, c.new_zeros(len(c), 0), joined, observed.cameras, times)
