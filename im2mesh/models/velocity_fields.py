"""Velocity fields: (time, points, motion code) -> velocity. They know nothing of any solver."""

from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from im2mesh.config import PositiveInt
from im2mesh.models.code import Code
from im2mesh.models.layers import ResnetBlockFC


class VelocityField(nn.Module):
    """(t, points, code) -> velocity; `reads` is the kind of code that it needs."""

    reads: ClassVar[type[Code]] = Code


class VelocityFieldConcat(VelocityField):
    """The velocity network of the paper (sec. 3.2): time is concatenated to the position.

    Before each residual block, linear maps of the codes are added.
    """

    def __init__(
        self,
        code_size: int,
        latent_size: int,
        *,
        hidden_size: PositiveInt = 512,
        num_blocks: PositiveInt = 5,
    ) -> None:
        super().__init__()
        self.fc_p = nn.Linear(4, hidden_size)
        self.fc_c = _code_layers(code_size, hidden_size, num_blocks)
        self.fc_z = _code_layers(latent_size, hidden_size, num_blocks)
        self.blocks = nn.ModuleList(ResnetBlockFC(hidden_size) for _ in range(num_blocks))
        self.fc_out = nn.Linear(hidden_size, 3)

    def forward(
        self, t: Float[Tensor, "B"], points: Float[Tensor, "B N 3"], code: Code
    ) -> Float[Tensor, "B N 3"]:
        """Velocity at time t, in units of the first frame per window length."""
        time = t.to(points.dtype).view(-1, 1, 1).expand(*points.shape[:2], 1)
        x = self.fc_p(torch.cat([points, time], -1))
        for i, block in enumerate(self.blocks):
            if len(self.fc_c):
                x = x + self.fc_c[i](code.c).unsqueeze(1)
            if len(self.fc_z):
                x = x + self.fc_z[i](code.z).unsqueeze(1)
            x = block(x)
        return self.fc_out(F.relu(x))


def _code_layers(size_in: int, size_out: int, count: int) -> nn.ModuleList:
    """One linear map per block; none for a code of width 0."""
    return nn.ModuleList(nn.Linear(size_in, size_out) for _ in range(count if size_in else 0))


VELOCITY_FIELDS = {"concat": VelocityFieldConcat}
