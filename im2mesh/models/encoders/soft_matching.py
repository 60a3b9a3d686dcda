"""Trajectories from clouds that do not correspond: found by matching, round after round."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from im2mesh.config import PositiveInt
from im2mesh.models.anchor_motion import AnchorMotion
from im2mesh.models.code import MovingCode
from im2mesh.models.encoders.encoder import Encoder
from im2mesh.models.encoders.pointnet import PointnetSpaceTime
from im2mesh.models.encoders.pointnet_local import PointFeatures
from im2mesh.models.local_attention import OFFSET_SCALE
from im2mesh.models.neighbourhood import find_neighbourhood
from im2mesh.models.paths import legendre_basis, path_fit

PATH_DEGREE = 3
NUM_MATCHES = 4
"""Points of a cloud that an anchor is compared with."""
MATCHED_FRAMES = 7
"""Of which the matches are looked at, evenly spread; with all, a step takes twice as long."""


class SoftMatching(Encoder):
    """Paths of the first cloud's points, matched softly with the clouds of all other frames.

    A space-time PointNet over all clouds gives the coarse motion: one code, as in the paper. Then,
    every round, each anchor looks in some frames at the points nearest to where its path now is:
    the offsets to them, weighted without jumps, are its soft match there. What is seen over time is
    projected onto the paths' polynomials, a network of points (`PointFeatures`, which knows
    neighbours and the whole) turns it and the coarse code into a change of the path, and the next
    round looks again, with the same weights (the loop of RAFT, Teed and Deng, ECCV 2020, for
    points). Nearest points alone slide along the surface: followed without learning, on synthetic
    bodies they take a quarter of the motion at best, and more rounds make it worse. What they mean
    is learned from true trajectories, so the correspondence loss is needed.

    The first path is that of a point at rest. Anchors start exactly at the first cloud's points.

    Args:
        num_frames: Not looked at: any number of frames at any times.
        code_size: Width C of the features and of the code.
        hidden_size: Width H of the network of points.
        num_rounds: Times that the paths are changed.
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
        num_rounds: PositiveInt = 2,
    ) -> None:
        super().__init__()
        self.num_neighbours = num_neighbours
        self.num_rounds = num_rounds
        self.min_points = max(num_neighbours, NUM_MATCHES) + 1
        self.match_size = max(1, hidden_size // 4)
        self.fc_match = nn.Linear(3, self.match_size)
        self.overview = PointnetSpaceTime(
            num_frames, code_size, hidden_size=max(1, hidden_size // 2), num_blocks=num_blocks
        )
        numbers = 3 + PATH_DEGREE * 3 + (PATH_DEGREE + 1) * (3 + self.match_size) + code_size
        self.features = PointFeatures(numbers, code_size, hidden_size, num_blocks)
        self.fc_change = nn.Linear(code_size, PATH_DEGREE * 3)
        self.motion = AnchorMotion(code_size, hidden_size)
        nn.init.zeros_(self.fc_change.weight)
        nn.init.zeros_(self.fc_change.bias)

    def forward(self, clouds: Float[Tensor, "B T N 3"], times: Float[Tensor, "B T"]) -> MovingCode:
        """Encode clouds.

        Raises:
            ValueError: If there are not more points than neighbours.
        """
        coarse = self.overview(clouds, times).unsqueeze(1)
        clouds, times = _spread_frames(clouds, times)
        anchors = clouds[:, 0]
        near = find_neighbourhood(anchors, anchors, self.num_neighbours)
        basis = legendre_basis(times, PATH_DEGREE)  # [B, T, K]
        basis = (basis - basis[:, :1])[..., 1:]  # of displacements, which start at 0
        fit = path_fit(times, PATH_DEGREE).to(clouds)  # [B, K, T]
        coarse = coarse.expand(-1, anchors.shape[1], -1).to(anchors)
        motion = anchors.new_zeros(*anchors.shape[:2], PATH_DEGREE, 3)  # [B, N, K - 1, 3]
        for _ in range(self.num_rounds):
            moved = torch.stack([(b[:, None, :, None] * motion).sum(2) for b in basis.unbind(1)], 1)
            seen = self._match(anchors.unsqueeze(1) + moved, clouds)  # [B, T, N, M]
            over_time = _project(fit, seen)  # [B, N, K M]
            known = [anchors, OFFSET_SCALE * motion.flatten(2), over_time, coarse]
            c, features = self.features(torch.cat(known, -1), near)
            change = self.fc_change(F.relu(features)).to(motion) / OFFSET_SCALE
            motion = motion + change.unflatten(-1, (PATH_DEGREE, 3))
        return self.motion(_paths(anchors, motion, times), features, c)

    def _match(
        self, positions: Float[Tensor, "B T N 3"], clouds: Float[Tensor, "B T N 3"]
    ) -> Float[Tensor, "B T N M"]:
        """What every anchor sees in every frame: the mean offset to its match, and features."""
        near = find_neighbourhood(positions.flatten(0, 1), clouds.flatten(0, 1), NUM_MATCHES)
        weights = near.falloff()
        weights = (weights / weights.sum(-1, keepdim=True)).unsqueeze(-1)
        offsets = -OFFSET_SCALE * near.offsets  # from the anchor to the cloud
        features = F.relu(self.fc_match(offsets))
        seen = torch.cat([(weights * offsets).sum(2), (weights * features).sum(2)], -1)
        return seen.unflatten(0, positions.shape[:2])


def _spread_frames(clouds: Tensor, times: Tensor) -> tuple[Tensor, Tensor]:
    """The first, the last and some frames between."""
    count = min(MATCHED_FRAMES, clouds.shape[1])
    last = clouds.shape[1] - 1
    chosen = torch.linspace(0, last, count, device=clouds.device).round().long()
    return clouds[:, chosen], times[:, chosen]


def _project(fit: Float[Tensor, "B K T"], seen: Float[Tensor, "B T N M"]) -> Tensor:
    """Coefficients over time of what an anchor sees, [B, N, K M]."""
    coefficients = torch.einsum("bkt,btnm->bnkm", fit, seen)
    return coefficients.flatten(2)


def _paths(
    anchors: Float[Tensor, "B N 3"], motion: Float[Tensor, "B N J 3"], times: Float[Tensor, "B T"]
) -> Float[Tensor, "B K N 3"]:
    """Coefficients of anchor + displacement, with the constant that makes them start there."""
    at_start = legendre_basis(times[:, 0], PATH_DEGREE)[:, None, 1:, None]  # [B, 1, J, 1]
    constant = anchors - (at_start * motion).sum(2)
    return torch.cat([constant.unsqueeze(1), motion.transpose(1, 2)], 1)
