"""A network that predicts displacements of points, as LPDC-Net does (Tang et al., CVPR 2021)."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from im2mesh.config.values import PositiveInt
from im2mesh.models.code import CodePerFrame
from im2mesh.models.deformations.one_shot import OneShotDeformation
from im2mesh.models.layers.blocks import ResnetBlockFC


@dataclass(frozen=True)
class Staying:
    """Points at their start time.

    Attributes:
        features: Features before the last layer, for a move from the start time to itself.
    """

    points: Float[Tensor, "B N 3"]
    start: Float[Tensor, "B"]
    features: Float[Tensor, "B N H"]


class Displacement(OneShotDeformation[Staying]):
    """move(p) = p + f(p, a, b) - f(p, a, a), with the codes a at the start and b at the end.

    f is a residual MLP; before each block, a linear map of a, b and the sequence's code is added.
    Through the last term, a move from a time to itself is exactly the identity, which LPDC-Net
    leaves to training. LPDC-Net takes the code of the nearest frame; here codes are interpolated
    between frames, so that a path is continuous in time.

    A move is not invertible: the way back is another move, not the inverse of the way there, and
    two moves in a row are not the move from the first to the last time.
    """

    reads = CodePerFrame

    def __init__(
        self,
        code_size: int,
        latent_size: int,
        *,
        hidden_size: PositiveInt = 128,
        num_blocks: PositiveInt = 5,
    ) -> None:
        super().__init__()
        condition_size = 3 * code_size + latent_size
        self.fc_p = nn.Linear(3, hidden_size)
        self.fc_c = nn.ModuleList(nn.Linear(condition_size, hidden_size) for _ in range(num_blocks))
        self.blocks = nn.ModuleList(ResnetBlockFC(hidden_size) for _ in range(num_blocks))
        self.fc_out = nn.Linear(hidden_size, 3, bias=False)  # a bias would cancel out

    def depart(
        self, points: Float[Tensor, "B N 3"], start: Float[Tensor, "B"], code: CodePerFrame
    ) -> Staying:
        return Staying(points, start, self._features(points, start, start, code))

    def arrive(
        self, departure: Staying, end: Float[Tensor, "B"], code: CodePerFrame
    ) -> Float[Tensor, "B N 3"]:
        moved = self._features(departure.points, departure.start, end, code)
        return departure.points + self.fc_out(moved - departure.features)

    def _features(
        self,
        points: Float[Tensor, "B N 3"],
        start: Float[Tensor, "B"],
        end: Float[Tensor, "B"],
        code: CodePerFrame,
    ) -> Float[Tensor, "B N H"]:
        condition = torch.cat([code.at(start), code.at(end), code.c, code.z], -1)
        x = self.fc_p(points)
        for fc_c, block in zip(self.fc_c, self.blocks, strict=True):
            x = block(x + fc_c(condition).unsqueeze(1))
        return F.relu(x)
