"""Anchors in space and time: observed points keep their place, their time and a feature."""

import torch
from jaxtyping import Float
from torch import Tensor

from im2mesh.config import PositiveInt
from im2mesh.models.code import SpaceTimeCode
from im2mesh.models.encoders.encoder import Encoder
from im2mesh.models.encoders.pointnet_local import PointFeatures
from im2mesh.models.neighbourhood import find_neighbourhood, in_space_time


class PointnetSpaceTimeLocal(Encoder):
    """The network of `PointnetLocal` over points (p, t) that need not correspond.

    Neighbours are near in space and time.

    Args:
        num_frames: Not looked at: any number of frames at any times.
        code_size: Width C of the features and of the code.
        hidden_size: Width H of the blocks.
        num_anchors: Points kept, as many of every frame, by their place in the cloud: a random
            subset, since clouds have no order. All if there are fewer.
    """

    sees_times = True
    needs_several_frames = True
    gives = SpaceTimeCode

    def __init__(
        self,
        num_frames: int,
        code_size: int,
        *,
        hidden_size: PositiveInt = 128,
        num_blocks: PositiveInt = 3,
        num_neighbours: PositiveInt = 16,
        num_anchors: PositiveInt = 1024,
    ) -> None:
        super().__init__()
        if num_anchors <= num_neighbours:
            raise ValueError(
                f"encoder 'pointnet_space_time_local' looks for {num_neighbours} neighbours among "
                f"{num_anchors} anchors; raise num_anchors or lower num_neighbours"
            )
        self.num_neighbours = num_neighbours
        self.num_anchors = num_anchors
        self.features = PointFeatures(4, code_size, hidden_size, num_blocks, num_dimensions=4)

    def forward(
        self, clouds: Float[Tensor, "B T N 3"], times: Float[Tensor, "B T"]
    ) -> SpaceTimeCode:
        """Encode clouds.

        Raises:
            ValueError: If there are not more points than neighbours.
        """
        anchors = in_space_time(clouds, times).flatten(1, 2)
        count = min(self.num_anchors, anchors.shape[1])
        last = anchors.shape[1] - 1
        kept = torch.linspace(0, last, count, device=anchors.device).round().long()
        anchors = anchors[:, kept]
        near = find_neighbourhood(anchors, anchors, self.num_neighbours)
        c, features = self.features(anchors, near)
        return SpaceTimeCode(c, c.new_zeros(len(c), 0), anchors, features)
