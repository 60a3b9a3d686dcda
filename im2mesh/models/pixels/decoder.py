"""The occupancy network that reads the image where a point is seen."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from im2mesh.config.values import PositiveInt
from im2mesh.models.decoders import Decoder
from im2mesh.models.layers.blocks import FullPrecisionLinear, ResnetBlockFC
from im2mesh.models.pixels.code import PixelCode
from im2mesh.models.pixels.projection import project, read_maps


class DecoderPixelAligned(Decoder):
    """Residual blocks over a point, its place in the first image, and the features there.

    Before every block the features are added, and so is the code c of the whole image.
    """

    reads = PixelCode

    def __init__(
        self,
        num_dimensions: int,
        code_size: int,
        latent_size: int,
        *,
        hidden_size: PositiveInt = 128,
        num_blocks: PositiveInt = 3,
    ) -> None:
        super().__init__()
        if num_dimensions != 3:
            raise ValueError(
                "decoder 'pixel_aligned' looks at the image of one time, so it cannot read points "
                "(p, t)"
            )
        self.fc_p = FullPrecisionLinear(3 + 3, hidden_size)
        self.fc_pixel = nn.ModuleList(nn.Linear(code_size, hidden_size) for _ in range(num_blocks))
        self.fc_c = nn.ModuleList(
            nn.Linear(code_size + latent_size, hidden_size) for _ in range(num_blocks)
        )
        self.blocks = nn.ModuleList(ResnetBlockFC(hidden_size) for _ in range(num_blocks))
        self.fc_out = nn.Linear(hidden_size, 1)

    def forward(self, points: Float[Tensor, "B N 3"], code: PixelCode) -> Float[Tensor, "B N"]:
        seen = project(points, code.cameras[:, 0])
        pixels = read_maps(code.maps[:, 0], seen[..., :2])
        whole = torch.cat([code.c, code.z], -1).unsqueeze(1)
        x = self.fc_p(torch.cat([points, seen], -1))
        for fc_pixel, fc_c, block in zip(self.fc_pixel, self.fc_c, self.blocks, strict=True):
            x = block(x + fc_pixel(pixels) + fc_c(whole))
        return self.fc_out(F.relu(x)).squeeze(-1)
