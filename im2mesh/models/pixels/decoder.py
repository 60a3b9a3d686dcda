"""The occupancy network that reads the image where a point is seen."""

from jaxtyping import Float
from torch import Tensor

from im2mesh.config.values import PositiveInt
from im2mesh.models.decoders import DecoderCBatchNorm
from im2mesh.models.pixels.code import PixelCode
from im2mesh.models.pixels.reader import PixelReader


class DecoderPixelAligned(DecoderCBatchNorm):
    """The occupancy network of the paper, to which is added what the first image shows of a point:
    before each block, as its code is.

    Args:
        num_dimensions, code_size, latent_size, hidden_size, num_blocks: See `DecoderCBatchNorm`.
        pixel_size: Width of the features that are read at a place.
    """

    reads = PixelCode

    def __init__(
        self,
        num_dimensions: int,
        code_size: int,
        latent_size: int,
        *,
        hidden_size: PositiveInt = 256,
        num_blocks: PositiveInt = 5,
        pixel_size: PositiveInt = 64,
    ) -> None:
        if num_dimensions != 3:
            raise ValueError(
                "decoder 'pixel_aligned' looks at the image of one time, so it cannot read points "
                "(p, t)"
            )
        super().__init__(
            num_dimensions,
            code_size,
            latent_size,
            hidden_size=hidden_size,
            num_blocks=num_blocks,
        )
        self.pixels = PixelReader(code_size, hidden_size, num_blocks, pixel_size)

    def forward(self, points: Float[Tensor, "B N 3"], code: PixelCode) -> Float[Tensor, "B N"]:
        features = self.pixels.features(code.maps[:, :1])[:, 0]
        return self.logits(points, code, self.pixels(points, features, code.cameras[:, 0]))
