"""Velocity fields: (time, points, motion code) -> velocity. They know nothing of any solver."""

from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from im2mesh.config import PositiveInt
from im2mesh.models.code import AnchoredCode, Code
from im2mesh.models.layers import ResnetBlockFC
from im2mesh.models.neighbourhood import find_neighbourhood
from im2mesh.models.paths import legendre_basis, positions_at, velocities_at
from im2mesh.models.rigid_motion import rigid_velocity

RESIDUAL_DEGREE = 3
"""Of the polynomials in time that the learned motions of anchors are."""


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


class VelocityFieldAnchored(VelocityField):
    """The rigid motion of the nearest anchors, and what a network adds to it.

    At time t the anchors of `AnchoredCode` are where their paths are. The base velocity at a point
    is that of the rigid motion which fits its nearest anchors best. From the features a network
    gives every anchor a weight and an affine motion of its own surroundings, polynomial in time;
    their blend at the point is added. All of it starts at 0: an untrained field already carries
    points with the observed trajectories. The network sees anchors and not points, so that a solve
    of many points and steps costs little more than its searches for neighbours.
    """

    reads = AnchoredCode

    def __init__(
        self,
        code_size: int,
        latent_size: int,
        *,
        hidden_size: PositiveInt = 128,
        num_blocks: PositiveInt = 2,
        num_neighbours: PositiveInt = 8,
    ) -> None:
        super().__init__()
        self.num_neighbours = num_neighbours
        self.fc_feature = nn.Linear(code_size, hidden_size)
        self.fc_c = nn.Linear(code_size + latent_size, hidden_size)
        self.blocks = nn.ModuleList(ResnetBlockFC(hidden_size) for _ in range(num_blocks))
        self.fc_weight = nn.Linear(hidden_size, 1, bias=False)  # weights are relative
        self.fc_affine = nn.Linear(hidden_size, 12 * (RESIDUAL_DEGREE + 1))
        for start in (self.fc_weight.weight, self.fc_affine.weight, self.fc_affine.bias):
            nn.init.zeros_(start)

    def forward(
        self, t: Float[Tensor, "B"], points: Float[Tensor, "B N 3"], code: AnchoredCode
    ) -> Float[Tensor, "B N 3"]:
        """Velocity at time t, in units of the first frame per window length."""
        near = find_neighbourhood(points, positions_at(code.paths, t), self.num_neighbours)
        velocities, scores, shifts, slopes = near.take(
            torch.cat([velocities_at(code.paths, t), *self._own_motions(t, code)], -1)
        ).split((3, 1, 3, 9), -1)
        weights = near.inverse_distance_weights() * scores.squeeze(-1).exp()
        weights = weights / weights.sum(-1, keepdim=True)
        base = rigid_velocity(points, near.positions, velocities, weights)
        linear = (slopes.unflatten(-1, (3, 3)) * near.offsets.unsqueeze(-2)).sum(-1)
        return base + (weights.unsqueeze(-1) * (shifts + linear)).sum(2)

    def _own_motions(
        self, t: Float[Tensor, "B"], code: AnchoredCode
    ) -> tuple[Float[Tensor, "B A 1"], Float[Tensor, "B A 12"]]:
        """Of every anchor the logarithm of its weight, and its affine motion at time t."""
        c = torch.cat([code.c, code.z], -1)
        x = self.fc_feature(code.features) + self.fc_c(c).unsqueeze(1)
        for block in self.blocks:
            x = block(x)
        x = F.relu(x)
        coefficients = self.fc_affine(x).unflatten(-1, (RESIDUAL_DEGREE + 1, 12)).to(t)
        basis = legendre_basis(t, RESIDUAL_DEGREE)  # [B, K]
        return self.fc_weight(x).to(t), (basis[:, None, :, None] * coefficients).sum(2)


def _code_layers(size_in: int, size_out: int, count: int) -> nn.ModuleList:
    """One linear map per block; none for a code of width 0."""
    return nn.ModuleList(nn.Linear(size_in, size_out) for _ in range(count if size_in else 0))


VELOCITY_FIELDS = {"concat": VelocityFieldConcat, "anchored": VelocityFieldAnchored}
