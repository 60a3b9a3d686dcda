"""Decoders: a code -> occupancy logits at points, or trajectories of surface points."""

from collections.abc import Sequence
from typing import ClassVar

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from im2mesh.config.values import PositiveInt
from im2mesh.models.code import Code
from im2mesh.models.layers.blocks import (
    ConditionalBatchNorm,
    ConditionalResnetBlock,
    FullPrecisionLinear,
    ResnetBlockFC,
)


class Decoder(nn.Module):
    """Base of occupancy networks: (points, code) -> logits; `reads` is the kind of code needed."""

    reads: ClassVar[type[Code]] = Code


class DecoderCBatchNorm(Decoder):
    """Residual blocks whose batch norm is modulated by the code (Occupancy Networks, sec. 3.3).

    The batch norm reads the conditioned code c, and the latent code z is added to the first layer.
    A model without an encoder, such as the generative one, has z alone; the batch norm reads it.

    Args:
        num_dimensions: Dimensions of a point: 3, or 4 for points in space and time.
        code_size: Width C of the conditioned code; 0 without an encoder.
        latent_size: Width Z of the latent code; not 0, if C is.
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
        width = code_size or latent_size
        if width == 0:
            raise ValueError(
                "decoder 'cbatchnorm' is conditioned on a code, but there is neither an encoder "
                "nor a posterior; set model.encoder, or choose decoder 'simple'"
            )
        self.reads_c = code_size > 0
        self.fc_p = FullPrecisionLinear(num_dimensions, hidden_size)
        self.fc_z = nn.Linear(latent_size, hidden_size) if latent_size else None
        self.blocks = nn.ModuleList(
            ConditionalResnetBlock(width, hidden_size) for _ in range(num_blocks)
        )
        self.norm = ConditionalBatchNorm(width, hidden_size)
        self.fc_out = nn.Linear(hidden_size, 1)

    def forward(self, points: Float[Tensor, "B N D"], code: Code) -> Float[Tensor, "B N"]:
        return self.logits(points, code)

    def logits(
        self,
        points: Float[Tensor, "B N D"],
        code: Code,
        added: Sequence[Float[Tensor, "B N H"]] | None = None,
    ) -> Float[Tensor, "B N"]:
        """Logits; `added` are vectors to be added before the blocks, one for each."""
        x = self.fc_p(points)
        if self.fc_z is not None:
            x = x + self.fc_z(code.z).unsqueeze(1)
        read = code.c if self.reads_c else code.z
        vectors = [None] * len(self.blocks) if added is None else added
        for block, vector in zip(self.blocks, vectors, strict=True):
            x = block(x if vector is None else x + vector, read)
        return self.fc_out(F.relu(self.norm(x, read))).squeeze(-1)


class DecoderSimple(Decoder):
    """A linear layer, to which the codes are added, then residual blocks; no normalisation."""

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


class TrajectoryMLP(nn.Module):
    """An MLP of four linear layers (PSGN 4D, sec. 4 of the paper, after Fan et al., CVPR 2017).

    Args:
        num_frames: Length T of the trajectories.
        code_size: Width C of the code.
        num_points: Number N of trajectories.
    """

    def __init__(
        self,
        num_frames: int,
        code_size: int,
        *,
        num_points: PositiveInt = 1024,
        hidden_size: PositiveInt = 512,
    ) -> None:
        super().__init__()
        self.shape = (num_frames, num_points, 3)
        self.fc_0 = nn.Linear(code_size, hidden_size)
        self.fc_1 = nn.Linear(hidden_size, hidden_size)
        self.fc_2 = nn.Linear(hidden_size, hidden_size)
        self.fc_out = nn.Linear(hidden_size, num_frames * num_points * 3)

    def forward(self, code: Float[Tensor, "B C"]) -> Float[Tensor, "B T N 3"]:
        x = F.relu(self.fc_0(code))
        x = F.relu(self.fc_1(x))
        x = F.relu(self.fc_2(x))
        return self.fc_out(x).view(-1, *self.shape)
