"""Code -> trajectories of surface points, for PSGN 4D."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from im2mesh.config import PositiveInt


class TrajectoryMLP(nn.Module):
    """Four linear layers (PSGN 4D, sec. 4 of the paper, after Fan et al., CVPR 2017).

    Args:
        num_frames: Length T of the trajectories.
        code_size: Width C of the code.
        num_points: Trajectories N.
    """

    def __init__(
        self,
        num_frames: int,
        code_size: int,
        *,
        num_points: PositiveInt = 1024,
        hidden_size: PositiveInt = 512,
    ) -> None:
        super().__init__()
        self.shape = (num_frames, num_points, 3)
        self.fc_0 = nn.Linear(code_size, hidden_size)
        self.fc_1 = nn.Linear(hidden_size, hidden_size)
        self.fc_2 = nn.Linear(hidden_size, hidden_size)
        self.fc_out = nn.Linear(hidden_size, num_frames * num_points * 3)

    def forward(self, code: Float[Tensor, "B C"]) -> Float[Tensor, "B T N 3"]:
        x = F.relu(self.fc_0(code))
        x = F.relu(self.fc_1(x))
        x = F.relu(self.fc_2(x))
        return self.fc_out(x).view(-1, *self.shape)


TRAJECTORY_DECODERS = {"mlp": TrajectoryMLP}
