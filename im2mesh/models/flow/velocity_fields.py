"""Velocity fields: (time, points, conditions) -> velocity. They know nothing of any solver."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from im2mesh.config.values import PositiveInt
from im2mesh.models.code import Code, Conditions
from im2mesh.models.layers.blocks import FullPrecisionLinear, ResnetBlockFC


class VelocityField(nn.Module):
    """Base of velocity fields: (t, points, conditions) -> velocity; `reads` is its kind of code.

    A point's velocity must not depend on the other points, since points may come piece by piece.
    """

    reads: ClassVar[type[Code]] = Code

    def condition(self, code: Code) -> Conditions:
        """Compute what evaluations need from the code, once before a solve.

        Gradients reach the weights that are used only here by plain backpropagation, so the adjoint
        need not carry these weights along.
        """
        return code

    def weights_of_evaluation(self) -> Iterator[nn.Parameter]:
        """The weights that evaluations depend on, for the adjoint."""
        return self.parameters()

    def forward(
        self, t: Float[Tensor, "B"], points: Float[Tensor, "B N 3"], conditions: Conditions
    ) -> Float[Tensor, "B N 3"]:
        """Velocity at time t, in units of the first frame per window length."""
        raise NotImplementedError


@dataclass(frozen=True)
class LayerShifts(Conditions):
    """Vectors, computed from the codes, that are added before each of L residual blocks."""

    shifts: Float[Tensor, "B L H"]


class VelocityFieldConcat(VelocityField):
    """The velocity network of the paper (sec. 3.2): time is concatenated to the position.

    Before each residual block, linear maps of the codes are added. They are the same for all points
    and times.
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
        self.fc_p = FullPrecisionLinear(4, hidden_size)
        self.fc_c = _code_layers(code_size, hidden_size, num_blocks)
        self.fc_z = _code_layers(latent_size, hidden_size, num_blocks)
        self.blocks = nn.ModuleList(ResnetBlockFC(hidden_size) for _ in range(num_blocks))
        self.fc_out = FullPrecisionLinear(hidden_size, 3)

    def condition(self, code: Code) -> LayerShifts:
        shifts = code.c.new_zeros(len(code.c), len(self.blocks), self.fc_p.out_features)
        for maps, vector in ((self.fc_c, code.c), (self.fc_z, code.z)):
            if len(maps):
                shifts = shifts + torch.stack([fc(vector) for fc in maps], 1)
        return LayerShifts(shifts.to(self.fc_p.weight.dtype))

    def weights_of_evaluation(self) -> Iterator[nn.Parameter]:
        for module in (self.fc_p, self.blocks, self.fc_out):
            yield from module.parameters()

    def forward(
        self, t: Float[Tensor, "B"], points: Float[Tensor, "B N 3"], conditions: LayerShifts
    ) -> Float[Tensor, "B N 3"]:
        x = self._enter(t, points, conditions)
        shifts = conditions.shifts.to(x.dtype).unsqueeze(2)
        for i, block in enumerate(self.blocks):
            x = block(x + shifts[:, i])
        return self.fc_out(F.relu(x))

    def _enter(
        self, t: Float[Tensor, "B"], points: Float[Tensor, "B N 3"], conditions: LayerShifts
    ) -> Float[Tensor, "B N H"]:
        """What the first block gets, before its shift."""
        time = t.to(points.dtype).view(-1, 1, 1).expand(*points.shape[:2], 1)
        return self.fc_p(torch.cat([points, time], -1))


def _code_layers(size_in: int, size_out: int, count: int) -> nn.ModuleList:
    """One linear map per block; none for a code of width 0."""
    return nn.ModuleList(
        FullPrecisionLinear(size_in, size_out) for _ in range(count if size_in else 0)
    )
