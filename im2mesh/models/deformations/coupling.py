"""Invertible maps into one canonical space, as in CaDeX (Lei and Daniilidis, CVPR 2022)."""

from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from im2mesh.config.values import PositiveInt
from im2mesh.models.code import CodePerFrame
from im2mesh.models.deformations.one_shot import OneShotDeformation
from im2mesh.models.layers.blocks import ResnetBlockFC, starting_at_zero
from im2mesh.models.layers.precision import full_precision

LARGEST_LOG_SCALE = 1.0
"""Bound of a layer's log-scale: a layer stretches or shrinks by a factor of e at most, so that its
inverse does not blow up rounding errors."""


class Coupling(OneShotDeformation[Tensor]):
    """Moves points into a canonical space from their start time, and out of it at their end time.

    The map into the canonical space is a real NVP (Dinh et al., ICLR 2017): coupling layers that
    change x, y and z in turn, conditioned on the code at that time. It has an exact inverse, so
    forward then backward is the identity up to rounding, moves compose, and a move from a time to
    itself is the identity. Before training, every move is the identity.

    CaDeX has its occupancy network in the canonical space; here the network stays at t = 0, so that
    all flows are compared with the same decoder.

    Positions, and everything computed from them, stay in full precision: a layer and its inverse
    must see the same scale and shift, but rounding to bf16 or tf32 can tell two positions apart
    that differ in the last digit of fp32. Only the maps of the codes, which do not depend on
    positions, may be rounded.
    """

    reads = CodePerFrame

    def __init__(
        self,
        code_size: int,
        latent_size: int,
        *,
        hidden_size: PositiveInt = 128,
        num_layers: PositiveInt = 6,
        num_blocks: PositiveInt = 2,
    ) -> None:
        super().__init__()
        condition_size = 2 * code_size + latent_size
        self.layers = nn.ModuleList(
            CouplingLayer(k % 3, condition_size, hidden_size, num_blocks) for k in range(num_layers)
        )

    def depart(
        self, points: Float[Tensor, "B N 3"], start: Float[Tensor, "B"], code: CodePerFrame
    ) -> Float[Tensor, "B N 3"]:
        """Canonical positions of the particles that are at `points` at time `start`."""
        condition = _condition(start, code)
        for layer in self.layers:
            points = layer(points, condition)
        return points

    def arrive(
        self, departure: Float[Tensor, "B N 3"], end: Float[Tensor, "B"], code: CodePerFrame
    ) -> Float[Tensor, "B N 3"]:
        """Positions at time `end` of the particles with these canonical positions."""
        points, condition = departure, _condition(end, code)
        for layer in reversed(self.layers):
            points = cast(CouplingLayer, layer).inverse(points, condition)
        return points


class CouplingLayer(nn.Module):
    """Scales and shifts one coordinate by what an MLP computes from the other two and the code.

    Args:
        axis: Index of the coordinate that changes.
        condition_size: Width of the code that conditions the layer.
        num_blocks: Number of residual blocks of the MLP.
    """

    def __init__(self, axis: int, condition_size: int, hidden_size: int, num_blocks: int) -> None:
        super().__init__()
        self.axis = axis
        self.fc_p = nn.Linear(2, hidden_size, bias=False)
        self.fc_c = nn.Linear(condition_size, hidden_size)
        self.blocks = nn.ModuleList(ResnetBlockFC(hidden_size) for _ in range(num_blocks))
        self.fc_out = starting_at_zero(nn.Linear(hidden_size, 2))

    def forward(
        self, points: Float[Tensor, "B N 3"], condition: Float[Tensor, "B D"]
    ) -> Float[Tensor, "B N 3"]:
        log_scale, shift = self._log_scale_and_shift(points, condition)
        return self._replace(points, points[..., self.axis] * log_scale.exp() + shift)

    def inverse(
        self, points: Float[Tensor, "B N 3"], condition: Float[Tensor, "B D"]
    ) -> Float[Tensor, "B N 3"]:
        log_scale, shift = self._log_scale_and_shift(points, condition)
        return self._replace(points, (points[..., self.axis] - shift) * (-log_scale).exp())

    def _log_scale_and_shift(
        self, points: Tensor, condition: Tensor
    ) -> tuple[Float[Tensor, "B N"], Float[Tensor, "B N"]]:
        offset = self.fc_c(condition).to(points.dtype).unsqueeze(1)
        with full_precision(points.device.type):
            kept = [column for k, column in enumerate(points.unbind(-1)) if k != self.axis]
            x = self.fc_p(torch.stack(kept, -1)) + offset
            for block in self.blocks:
                x = block(x)
            log_scale, shift = self.fc_out(F.relu(x)).unbind(-1)
            return LARGEST_LOG_SCALE * log_scale.tanh(), shift

    def _replace(self, points: Tensor, coordinate: Tensor) -> Tensor:
        columns = list(points.unbind(-1))
        columns[self.axis] = coordinate
        return torch.stack(columns, -1)


def _condition(t: Float[Tensor, "B"], code: CodePerFrame) -> Float[Tensor, "B D"]:
    return torch.cat([code.at(t), code.c, code.z], -1)
