"""The velocity field that reads the images where a point is seen at its time."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from im2mesh.config.values import PositiveInt
from im2mesh.models.code import Conditions, interpolate_frames
from im2mesh.models.flow.velocity_fields import VelocityField
from im2mesh.models.layers.blocks import FullPrecisionLinear, ResnetBlockFC
from im2mesh.models.pixels.code import PixelCode
from im2mesh.models.pixels.projection import project, read_maps


@dataclass(frozen=True)
class PixelConditions(Conditions):
    """What the evaluations need: maps of hidden features, and the code for each of L blocks."""

    maps: Float[Tensor, "B K E H W"]
    cameras: Float[Tensor, "B K 3 4"]
    times: Float[Tensor, "B K"]
    shifts: Float[Tensor, "B L E"]


class VelocityFieldPixelAligned(VelocityField):
    """Residual blocks over a point, the time, its place in the image, and the features there.

    Maps and cameras between two observed frames are interpolated.
    """

    reads = PixelCode

    def __init__(
        self,
        code_size: int,
        latent_size: int,
        *,
        hidden_size: PositiveInt = 128,
        num_blocks: PositiveInt = 3,
    ) -> None:
        super().__init__()
        self.fc_p = FullPrecisionLinear(3 + 1 + 3, hidden_size)
        self.to_hidden = nn.Conv2d(code_size, hidden_size, 1)
        self.fc_c = nn.ModuleList(
            FullPrecisionLinear(code_size + latent_size, hidden_size) for _ in range(num_blocks)
        )
        self.blocks = nn.ModuleList(ResnetBlockFC(hidden_size) for _ in range(num_blocks))
        self.fc_out = FullPrecisionLinear(hidden_size, 3)

    def condition(self, code: PixelCode) -> PixelConditions:
        whole = torch.cat([code.c, code.z], -1)
        shifts = torch.stack([fc(whole) for fc in self.fc_c], 1)
        # linear as sampling is, so it may come first: once for all points and times
        maps = self.to_hidden(code.maps.flatten(0, 1)).unflatten(0, code.times.shape)
        dtype = self.fc_p.weight.dtype
        return PixelConditions(
            maps.to(dtype), code.cameras.to(dtype), code.times.to(dtype), shifts.to(dtype)
        )

    def weights_of_evaluation(self) -> Iterator[nn.Parameter]:
        for module in (self.fc_p, self.blocks, self.fc_out):
            yield from module.parameters()

    def forward(
        self, t: Float[Tensor, "B"], points: Float[Tensor, "B N 3"], conditions: PixelConditions
    ) -> Float[Tensor, "B N 3"]:
        now = t.to(conditions.times.dtype)
        maps = interpolate_frames(conditions.maps, conditions.times, now)
        cameras = interpolate_frames(conditions.cameras, conditions.times, now)
        seen = project(points, cameras.to(points.dtype))
        time = t.to(points.dtype).view(-1, 1, 1).expand(*points.shape[:2], 1)
        x = self.fc_p(torch.cat([points, time, seen], -1)) + read_maps(maps, seen[..., :2])
        for i, block in enumerate(self.blocks):
            x = block(x + conditions.shifts[:, i].unsqueeze(1).to(x.dtype))
        return self.fc_out(F.relu(x))
