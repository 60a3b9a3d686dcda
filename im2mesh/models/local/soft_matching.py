"""Trajectories from clouds that do not correspond: registered, then corrected by a network."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from im2mesh.config.values import PositiveInt
from im2mesh.models.encoders.encoder import Encoder
from im2mesh.models.encoders.pointnet import PointnetSpaceTime
from im2mesh.models.layers.blocks import starting_at_zero
from im2mesh.models.local.anchor_motion import AnchorMotion
from im2mesh.models.local.attention import OFFSET_SCALE
from im2mesh.models.local.codes import MovingCode
from im2mesh.models.local.encoder import MAX_POINTS, PointFeatures
from im2mesh.models.local.neighbourhood import find_neighbourhood
from im2mesh.models.local.paths import legendre_basis
from im2mesh.models.local.registration import DEGREE, TOLD_STAGES, register_clouds
from im2mesh.models.local.trajectories import spread_rows

MATCHED_FRAMES = 7
"""Frames that are matched, evenly spread; with all 17 the motion found is hardly better."""


class SoftMatching(Encoder):
    """An encoder that finds the paths of the first cloud's points in the clouds of other frames.

    Registration finds a coherent motion without learning (`register_clouds`). Like every smooth
    motion, this one is too small. A network (`PointFeatures`, which sees neighbours and the whole
    cloud) corrects it; the correction starts at 0. The network reads how the motion grew from wide
    to narrow surroundings, and the code of a space-time PointNet over the same frames. It learns
    the correction from true trajectories, so the correspondence loss is needed. Anchors start
    exactly at the first cloud's points.

    Args:
        num_frames: Ignored, because any number of frames at any times can be read.
        code_size: Width C of the features and of the code.
        hidden_size: Width H of the `PointFeatures`.
        max_points: Largest number of points that are matched; of larger clouds, so many rows are.
    """

    sees_times = True
    needs_several_frames = True
    gives = MovingCode

    def __init__(
        self,
        num_frames: int,
        code_size: int,
        *,
        hidden_size: PositiveInt = 128,
        num_blocks: PositiveInt = 3,
        num_neighbours: PositiveInt = 8,
        max_points: PositiveInt = MAX_POINTS,
    ) -> None:
        super().__init__()
        self.num_neighbours = num_neighbours
        self.max_points = max_points
        self.min_points = num_neighbours + 1
        self.overview = PointnetSpaceTime(
            num_frames, code_size, hidden_size=max(1, hidden_size // 2), num_blocks=num_blocks
        )
        numbers = 3 + len(TOLD_STAGES) * DEGREE * 3 + code_size
        self.features = PointFeatures(numbers, code_size, hidden_size, num_blocks)
        self.fc_correction = starting_at_zero(nn.Linear(code_size, DEGREE * 3))
        self.motion = AnchorMotion(code_size, hidden_size)

    def forward(self, clouds: Float[Tensor, "B T N 3"], times: Float[Tensor, "B T"]) -> MovingCode:
        """Encode clouds.

        Raises:
            ValueError: If there are not more points than neighbours.
        """
        clouds, times = _spread_frames(spread_rows(clouds, self.max_points), times)
        anchors = clouds[:, 0]
        stages = register_clouds(clouds, times)  # [B, S, N, J, 3]
        told = torch.stack([stages[:, k] for k in TOLD_STAGES], 2).flatten(2)  # [B, N, 27]
        overview = self.overview(clouds, times).unsqueeze(1).expand(-1, anchors.shape[1], -1)
        known = torch.cat([anchors, OFFSET_SCALE * told, overview.to(anchors)], -1)
        near = find_neighbourhood(anchors, anchors, self.num_neighbours)
        c, features = self.features(known, near)
        correction = self.fc_correction(F.relu(features)).to(anchors) / OFFSET_SCALE
        motion = stages[:, -1] + correction.unflatten(-1, (DEGREE, 3))
        return self.motion(_paths(anchors, motion, times), features, c)


def _spread_frames(clouds: Tensor, times: Tensor) -> tuple[Tensor, Tensor]:
    """Take the first frame, the last frame and some between, evenly spread."""
    count = min(MATCHED_FRAMES, clouds.shape[1])
    last = clouds.shape[1] - 1
    chosen = torch.linspace(0, last, count, device=clouds.device).round().long()
    return clouds[:, chosen], times[:, chosen]


def _paths(
    anchors: Float[Tensor, "B N 3"], motion: Float[Tensor, "B N J 3"], times: Float[Tensor, "B T"]
) -> Float[Tensor, "B K N 3"]:
    """Coefficients of paths that start at the anchors and follow the displacements."""
    at_start = legendre_basis(times[:, 0], DEGREE)[:, None, 1:, None]  # [B, 1, J, 1]
    constant = anchors - (at_start * motion).sum(2)
    return torch.cat([constant.unsqueeze(1), motion.transpose(1, 2)], 1)
