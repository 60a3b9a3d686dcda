"""Occupancy networks: (points, code) -> logits that the points are inside the body."""

from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from im2mesh.config import PositiveInt
from im2mesh.models.code import AnchoredCode, Code
from im2mesh.models.layers import (
    ConditionalBatchNorm,
    ConditionalResnetBlock,
    FullPrecisionLinear,
    ResnetBlockFC,
)
from im2mesh.models.local_attention import LocalAttention
from im2mesh.models.neighbourhood import find_neighbourhood
from im2mesh.models.paths import positions_at


class Decoder(nn.Module):
    """(points, code) -> logits; `reads` is the kind of code that it needs."""

    reads: ClassVar[type[Code]] = Code


class DecoderCBatchNorm(Decoder):
    """Residual blocks whose batch norm is modulated by the code c (Occupancy Networks, sec. 3.3).

    Args:
        num_dimensions: Of the points: 3, or 4 for points in space and time.
        code_size: Width C of the conditioned code; it may not be 0.
        latent_size: Width Z of the latent code, which is added to the first layer.
    """

    def __init__(
        self,
        num_dimensions: int,
        code_size: int,
        latent_size: int,
        *,
        hidden_size: PositiveInt = 256,
        num_blocks: PositiveInt = 5,
    ) -> None:
        super().__init__()
        if code_size == 0:
            raise ValueError(
                "decoder 'cbatchnorm' is conditioned on c, but there is no encoder; "
                "set model.encoder, or choose decoder 'simple'"
            )
        self.fc_p = FullPrecisionLinear(num_dimensions, hidden_size)
        self.fc_z = nn.Linear(latent_size, hidden_size) if latent_size else None
        self.blocks = nn.ModuleList(
            ConditionalResnetBlock(code_size, hidden_size) for _ in range(num_blocks)
        )
        self.norm = ConditionalBatchNorm(code_size, hidden_size)
        self.fc_out = nn.Linear(hidden_size, 1)

    def forward(self, points: Float[Tensor, "B N D"], code: Code) -> Float[Tensor, "B N"]:
        x = self.fc_p(points)
        if self.fc_z is not None:
            x = x + self.fc_z(code.z).unsqueeze(1)
        for block in self.blocks:
            x = block(x, code.c)
        return self.fc_out(F.relu(self.norm(x, code.c))).squeeze(-1)


class DecoderSimple(Decoder):
    """Residual blocks after one layer to which the codes are added; no normalisation."""

    def __init__(
        self,
        num_dimensions: int,
        code_size: int,
        latent_size: int,
        *,
        hidden_size: PositiveInt = 128,
        num_blocks: PositiveInt = 5,
    ) -> None:
        super().__init__()
        self.fc_p = FullPrecisionLinear(num_dimensions, hidden_size)
        self.fc_z = nn.Linear(latent_size, hidden_size) if latent_size else None
        self.fc_c = nn.Linear(code_size, hidden_size) if code_size else None
        self.blocks = nn.ModuleList(ResnetBlockFC(hidden_size) for _ in range(num_blocks))
        self.fc_out = nn.Linear(hidden_size, 1)

    def forward(self, points: Float[Tensor, "B N D"], code: Code) -> Float[Tensor, "B N"]:
        x = self.fc_p(points)
        if self.fc_z is not None:
            x = x + self.fc_z(code.z).unsqueeze(1)
        if self.fc_c is not None:
            x = x + self.fc_c(code.c).unsqueeze(1)
        for block in self.blocks:
            x = block(x)
        return self.fc_out(F.relu(x)).squeeze(-1)


class DecoderLocalAttention(Decoder):
    """Residual blocks over what each point sees of its nearest anchors, its position and the code.

    The anchors are those of `AnchoredCode` at t = 0; the code c of the whole cloud is the coarse
    part beside the local one. There is no batch norm: it did not speed up training, and its
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
                "decoder 'local_attention' looks for neighbours in space at one time, not at "
                "points (p, t); choose decoder 'cbatchnorm' or 'simple'"
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


DECODERS = {
    "cbatchnorm": DecoderCBatchNorm,
    "simple": DecoderSimple,
    "local_attention": DecoderLocalAttention,
}
