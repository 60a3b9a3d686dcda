"""The PointNet encoders that give a feature to every observed point, or to its path."""

from dataclasses import replace

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from im2mesh.config.values import PositiveInt
from im2mesh.models.encoders.encoder import Encoder
from im2mesh.models.layers.blocks import ResnetBlockFC, linear_of_joined
from im2mesh.models.local.anchor_motion import AnchorMotion
from im2mesh.models.local.attention import OFFSET_SCALE
from im2mesh.models.local.codes import AnchoredCode, MovingCode
from im2mesh.models.local.neighbourhood import Neighbourhood, find_neighbourhood
from im2mesh.models.local.paths import DEGREE, positions_at
from im2mesh.models.local.trajectories import Trajectories, follow_points, spread_rows

TOLD_DEGREE = 5
"""Highest degree of the path coefficients that the network reads; others are small, or noise."""
MAX_POINTS = 1000
"""Largest number of anchors. Of denser clouds, networks have seen few, and they take long."""
USUAL_MISFIT = 0.0015
"""Misfit of trajectories with noise 0.001, the paper's."""


class _AnchorEncoder(Encoder):
    """Base of the encoders that make anchors of observed points, and a feature for each.

    Args:
        size_in: Width of what the network is told of an anchor.
        code_size, hidden_size, num_blocks, num_neighbours, max_points: See `PointnetLocal`.
    """

    needs_corresponding_points = True
    sees_times = True

    def __init__(
        self,
        size_in: int,
        code_size: int,
        hidden_size: int,
        num_blocks: int,
        num_neighbours: int,
        max_points: int,
    ) -> None:
        super().__init__()
        self.num_neighbours = num_neighbours
        self.max_points = max_points
        self.features = PointFeatures(size_in, code_size, hidden_size, num_blocks)
        self.min_points = num_neighbours + 1

    def _follow(
        self, clouds: Float[Tensor, "B T N 3"], times: Float[Tensor, "B T"], degree: int
    ) -> Trajectories:
        """The paths of the rows that become anchors.

        Training leaves neighbours out: networks see more noise then than later, which does no harm,
        and with them a step on a CPU would take a third longer.
        """
        rows = spread_rows(clouds, self.max_points)
        return follow_points(rows, times, degree, with_neighbours=not self.training)

    def _neighbourhood(self, anchors: Float[Tensor, "B N 3"]) -> Neighbourhood:
        return find_neighbourhood(anchors, anchors, self.num_neighbours)


class PointnetLocal(_AnchorEncoder):
    """A residual PointNet that returns one feature per point, and one code for all points.

    After every block each point has, beside its own features, the maximum over its nearest points
    (an edge convolution, Wang et al., DGCNN, 2019) and the maximum over all points.

    Built for a single frame, the encoder gives anchors that stand still. Built for several frames,
    whose rows must correspond, it gives anchors that move on smooth paths and know the motion
    around them (`AnchorMotion`). The network reads the first coefficients of the paths, so it takes
    any number of frames at any times. Rows that follow no particle (outliers) have no smooth path:
    copies of other rows take their places (`follow_points`).

    Args:
        num_frames: Number of frames; only whether it is 1 matters.
        code_size: Width C of the features and of the code.
        hidden_size: Width H of the blocks.
        num_neighbours: Neighbours in an edge convolution, the point itself among them.
        path_degree: Degree of the polynomial paths.
        max_points: Largest number of anchors; of a larger cloud, so many rows become anchors.
    """

    gives = MovingCode

    def __init__(
        self,
        num_frames: int,
        code_size: int,
        *,
        hidden_size: PositiveInt = 128,
        num_blocks: PositiveInt = 3,
        num_neighbours: PositiveInt = 8,
        path_degree: PositiveInt = DEGREE,
        max_points: PositiveInt = MAX_POINTS,
    ) -> None:
        if num_frames == 1 and path_degree != DEGREE:
            raise ValueError(
                "path_degree of encoder 'pointnet_local' has no effect on a single frame; leave it "
                "out"
            )
        degree = 0 if num_frames == 1 else path_degree
        num_told = min(degree, TOLD_DEGREE) + 1
        super().__init__(
            3 * num_told, code_size, hidden_size, num_blocks, num_neighbours, max_points
        )
        self.degree = degree
        self.num_told = num_told
        self.motion = None if num_frames == 1 else AnchorMotion(code_size, hidden_size)

    def forward(
        self, clouds: Float[Tensor, "B T N 3"], times: Float[Tensor, "B T"]
    ) -> AnchoredCode:
        """Encode clouds.

        Raises:
            ValueError: If there are not more points than neighbours.
        """
        followed = self._follow(clouds, times, self.degree)
        paths = followed.paths
        near = self._neighbourhood(positions_at(paths, times[:, 0]))
        told = paths[:, : self.num_told].transpose(1, 2).flatten(2)
        c, features = self.features(told, near)
        if self.motion is None:
            return AnchoredCode(c, c.new_zeros(len(c), 0), paths, features)
        moving = self.motion(paths, features, c)
        return replace(moving, weights=moving.weights * followed.trust.unsqueeze(-1))


class PointnetTracked(_AnchorEncoder):
    """A `PointnetLocal` of the shape at t = 0, for points that are tracked over all frames.

    The anchors stand where their smooth paths begin, so noise is averaged over the frames, and rows
    that follow no particle are known. The network also reads how far each path is from what was
    observed, which tells the noise. It does not read the motion.

    Args:
        num_frames: Ignored, because any number of frames at any times can be read.
        code_size, hidden_size, num_blocks, num_neighbours, max_points: See `PointnetLocal`.
    """

    sees_all_frames = True
    gives = AnchoredCode

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
        super().__init__(3 + 1, code_size, hidden_size, num_blocks, num_neighbours, max_points)

    def forward(
        self, clouds: Float[Tensor, "B T N 3"], times: Float[Tensor, "B T"]
    ) -> AnchoredCode:
        """Encode clouds.

        Raises:
            ValueError: If there are not more points than neighbours.
        """
        followed = self._follow(clouds, times, DEGREE)
        anchors = positions_at(followed.paths, times[:, 0])
        near = self._neighbourhood(anchors)
        # as large as positions: what is larger hides them, and training stalls
        noise = 0.1 * (followed.misfit / USUAL_MISFIT).clamp(min=0.2).log().unsqueeze(-1)
        c, features = self.features(torch.cat([anchors, noise], -1), near)
        return AnchoredCode(c, c.new_zeros(len(c), 0), anchors.unsqueeze(1), features)


class PointFeatures(nn.Module):
    """The network of `PointnetLocal`: one vector per point -> one feature per point, and a code."""

    def __init__(self, size_in: int, code_size: int, hidden_size: int, num_blocks: int) -> None:
        super().__init__()
        edge_size = max(1, hidden_size // 2)
        width = 2 * hidden_size + edge_size
        self.fc_in = nn.Linear(size_in, width)
        self.blocks = nn.ModuleList(ResnetBlockFC(width, hidden_size) for _ in range(num_blocks))
        self.edges = nn.ModuleList(EdgeMaximum(hidden_size, edge_size) for _ in range(num_blocks))
        self.fc_feature = nn.Linear(width, code_size)
        self.fc_c = nn.Linear(hidden_size, code_size)

    def forward(
        self, x: Float[Tensor, "B N D"], near: Neighbourhood
    ) -> tuple[Float[Tensor, "B C"], Float[Tensor, "B N C"]]:
        parts = (self.fc_in(x),)
        for block, edge in zip(self.blocks, self.edges, strict=True):
            own = block(*parts)
            parts = (own, edge(own, near), own.amax(1, keepdim=True))
        features = linear_of_joined(self.fc_feature, *(F.relu(part) for part in parts))
        return self.fc_c(F.relu(parts[-1][:, 0])), features


class EdgeMaximum(nn.Module):
    """relu of the maximum over a point's neighbours of linear(feature) + linear(offset)."""

    def __init__(self, hidden_size: int, edge_size: int) -> None:
        super().__init__()
        self.fc_feature = nn.Linear(hidden_size, edge_size)
        self.fc_offset = nn.Linear(3, edge_size, bias=False)

    def forward(
        self, features: Float[Tensor, "B N H"], near: Neighbourhood
    ) -> Float[Tensor, "B N E"]:
        offsets = self.fc_offset(OFFSET_SCALE * near.offsets)
        return F.relu((near.take(self.fc_feature(features)) + offsets).max(2).values)
