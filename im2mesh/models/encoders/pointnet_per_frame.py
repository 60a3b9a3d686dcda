"""A PointNet that gives every observed frame a code of its own."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from im2mesh.config import PositiveInt
from im2mesh.models.code import CodePerFrame
from im2mesh.models.encoders.pointnet import SpaceTime


class PointnetPerFrame(SpaceTime):
    """The PointNet over points (p, t) of all frames -> a code per frame, and one of the sequence.

    A frame's code has seen the other frames: between the blocks every point gets the maximum over
    its frame and that over all frames.
    """

    needs_several_frames = True
    gives = CodePerFrame

    def __init__(
        self,
        num_frames: int,
        code_size: int,
        *,
        hidden_size: PositiveInt = 512,
        num_blocks: PositiveInt = 5,
    ) -> None:
        super().__init__(num_frames, code_size, hidden_size=hidden_size, num_blocks=num_blocks)
        self.fc_frame = nn.Linear(hidden_size, code_size)

    def forward(
        self, clouds: Float[Tensor, "B T N 3"], times: Float[Tensor, "B T"]
    ) -> CodePerFrame:
        pooled = self.pool_frames(clouds, times)
        c, frames = self.fc_c(F.relu(pooled.amax(1))), self.fc_frame(F.relu(pooled))
        # interpolated in bf16, codes would move in steps from frame to frame
        frames = frames.to(torch.promote_types(frames.dtype, torch.float32))
        return CodePerFrame(c=c, z=c.new_zeros(len(c), 0), frames=frames, times=times)
