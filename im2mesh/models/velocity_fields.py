"""Velocity fields: (time, points, conditions) -> velocity. They know nothing of any solver."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from im2mesh.config import PositiveInt
from im2mesh.models.code import Code, Conditions, MovingCode, SpaceTimeCode
from im2mesh.models.layers import FullPrecisionLinear, ResnetBlockFC
from im2mesh.models.local_attention import LocalAttention
from im2mesh.models.neighbourhood import find_neighbourhood, in_space_time
from im2mesh.models.paths import positions_at, velocities_at


class VelocityField(nn.Module):
    """(t, points, conditions) -> velocity; `reads` is the kind of code that it needs.

    A point's velocity may not depend on the other points: these may come piece by piece.
    """

    reads: ClassVar[type[Code]] = Code

    def condition(self, code: Code) -> Conditions:
        """What evaluations need of the code: computed once, before a solve.

        Gradients flow back through it, so weights that are used here only are none that the adjoint
        has to carry along.
        """
        return code

    def weights_of_evaluation(self) -> Iterator[nn.Parameter]:
        """The weights that evaluations depend on."""
        return self.parameters()

    def forward(
        self, t: Float[Tensor, "B"], points: Float[Tensor, "B N 3"], conditions: Conditions
    ) -> Float[Tensor, "B N 3"]:
        """Velocity at time t, in units of the first frame per window length."""
        raise NotImplementedError


@dataclass(frozen=True)
class LayerShifts(Conditions):
    """What the codes add before each of L residual blocks."""

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
        time = t.to(points.dtype).view(-1, 1, 1).expand(*points.shape[:2], 1)
        x = self.fc_p(torch.cat([points, time], -1))
        shifts = conditions.shifts.to(x.dtype).unsqueeze(2)
        for i, block in enumerate(self.blocks):
            x = block(x + shifts[:, i])
        return self.fc_out(F.relu(x))


class VelocityFieldAnchored(VelocityField):
    """Every anchor moves its surroundings; a point has the blend of its nearest anchors' motions.

    The anchors of `MovingCode` move, too. All that is learned hangs on
    the anchors and comes with the code, so this has no weights, and an evaluation is a search for
    neighbours and a weighted mean, however wide the networks are.
    """

    reads = MovingCode

    def __init__(
        self, code_size: int, latent_size: int, *, num_neighbours: PositiveInt = 8
    ) -> None:
        super().__init__()
        self.num_neighbours = num_neighbours
        self.min_points = num_neighbours + 1

    def condition(self, code: MovingCode) -> MovingCode:
        """Without the features: what they say of the motion is in the rest."""
        return replace(code, features=code.features[..., :0].detach())

    def forward(
        self, t: Float[Tensor, "B"], points: Float[Tensor, "B N 3"], code: MovingCode
    ) -> Float[Tensor, "B N 3"]:
        near = find_neighbourhood(points, code.anchors_at(t), self.num_neighbours)
        added, spins = positions_at(code.twists, t).split(3, -1)
        known = torch.cat([velocities_at(code.paths, t) + added, spins], -1)
        velocities, spins = near.take(known).split(3, -1)
        motions = velocities + torch.linalg.cross(spins, near.offsets)
        return (near.blend_weights(code.weights) * motions).sum(2)


class VelocityFieldSpaceTime(VelocityField):
    """A network looks at the observed points that are near in space and time.

    Nothing tells it how any point moves: it has to see that from clouds that do not correspond.
    """

    reads = SpaceTimeCode

    def __init__(
        self,
        code_size: int,
        latent_size: int,
        *,
        hidden_size: PositiveInt = 128,
        num_blocks: PositiveInt = 3,
        num_neighbours: PositiveInt = 16,
    ) -> None:
        super().__init__()
        self.num_neighbours = num_neighbours
        self.attention = LocalAttention(code_size, hidden_size, num_dimensions=4)
        self.fc_p = FullPrecisionLinear(4, hidden_size)
        self.fc_c = nn.Linear(code_size + latent_size, hidden_size)
        self.blocks = nn.ModuleList(ResnetBlockFC(hidden_size) for _ in range(num_blocks))
        self.fc_out = FullPrecisionLinear(hidden_size, 3)

    def forward(
        self, t: Float[Tensor, "B"], points: Float[Tensor, "B N 3"], code: SpaceTimeCode
    ) -> Float[Tensor, "B N 3"]:
        queries = in_space_time(points, t)
        near = find_neighbourhood(queries, code.anchors, self.num_neighbours)
        x = self.attention(near, code.features)
        x = x + self.fc_p(queries) + self.fc_c(torch.cat([code.c, code.z], -1)).unsqueeze(1)
        for block in self.blocks:
            x = block(x)
        return self.fc_out(F.relu(x))


def _code_layers(size_in: int, size_out: int, count: int) -> nn.ModuleList:
    """One linear map per block; none for a code of width 0."""
    return nn.ModuleList(
        FullPrecisionLinear(size_in, size_out) for _ in range(count if size_in else 0)
    )


VELOCITY_FIELDS = {
    "concat": VelocityFieldConcat,
    "anchored": VelocityFieldAnchored,
    "space_time": VelocityFieldSpaceTime,
}
