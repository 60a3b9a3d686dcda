"""The occupancy network that reads features of the anchors near a point."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from im2mesh.config.values import PositiveInt
from im2mesh.models.decoders import Decoder
from im2mesh.models.layers.blocks import ResnetBlockFC
from im2mesh.models.local.attention import LocalAttention
from im2mesh.models.local.codes import AnchoredCode
from im2mesh.models.local.neighbourhood import find_neighbourhood
from im2mesh.models.local.paths import positions_at


class DecoderLocalAttention(Decoder):
    """Residual blocks over the features of a point's nearest anchors, its position and the code.

    The anchors are those of `AnchoredCode` at t = 0. The code c of the whole cloud is the coarse
    part beside these local features. There is no batch norm: it did not speed up training, and its
    statistics settle late.
    """

    reads = AnchoredCode

    def __init__(
        self,
        num_dimensions: int,
        code_size: int,
        latent_size: int,
        *,
        hidden_size: PositiveInt = 128,
        num_blocks: PositiveInt = 3,
        num_neighbours: PositiveInt = 8,
    ) -> None:
        super().__init__()
        if num_dimensions != 3:
            raise ValueError(
                "decoder 'local_attention' looks for neighbours in space at one time, so it "
                "cannot read points (p, t)"
            )
        self.num_neighbours = num_neighbours
        self.min_points = num_neighbours + 1
        self.attention = LocalAttention(code_size, hidden_size)
        self.fc_p = nn.Linear(3, hidden_size)
        self.fc_c = nn.Linear(code_size + latent_size, hidden_size)
        self.blocks = nn.ModuleList(ResnetBlockFC(hidden_size) for _ in range(num_blocks))
        self.fc_out = nn.Linear(hidden_size, 1)

    def forward(self, points: Float[Tensor, "B N 3"], code: AnchoredCode) -> Float[Tensor, "B N"]:
        anchors = positions_at(code.paths, points.new_zeros(len(points)))
        near = find_neighbourhood(points, anchors, self.num_neighbours)
        x = self.attention(near, code.features)
        x = x + self.fc_p(points) + self.fc_c(torch.cat([code.c, code.z], -1)).unsqueeze(1)
        for block in self.blocks:
            x = block(x)
        return self.fc_out(F.relu(x)).squeeze(-1)
