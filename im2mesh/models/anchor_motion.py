"""What every anchor knows of its surroundings' motion: rigid by its neighbours, and learned."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from im2mesh.models.code import MovingCode
from im2mesh.models.layers import ResnetBlockFC
from im2mesh.models.rigid_motion import DEGREE, anchor_spins

NUM_RIGID_NEIGHBOURS = 8


class AnchorMotion(nn.Module):
    """Features of moving anchors -> how the surroundings of each move.

    They move as the rigid motion that fits the anchor's neighbours best; a network adds another,
    polynomial in time, and gives every anchor a weight. It starts at 0: untrained, points are
    carried with the observed trajectories.

    Args:
        code_size: Width C of the features and of the code c.
        hidden_size: Width H of the network.
    """

    def __init__(self, code_size: int, hidden_size: int) -> None:
        super().__init__()
        self.min_points = NUM_RIGID_NEIGHBOURS + 1
        self.fc_feature = nn.Linear(code_size, hidden_size)
        self.fc_c = nn.Linear(code_size, hidden_size)
        self.block = ResnetBlockFC(hidden_size)
        self.fc_weight = nn.Linear(hidden_size, 1, bias=False)  # weights are relative
        self.fc_twist = nn.Linear(hidden_size, 6 * (DEGREE + 1))
        for start in (self.fc_weight.weight, self.fc_twist.weight, self.fc_twist.bias):
            nn.init.zeros_(start)

    def forward(
        self,
        paths: Float[Tensor, "B K N 3"],
        features: Float[Tensor, "B N C"],
        c: Float[Tensor, "B C"],
    ) -> MovingCode:
        """The whole code.

        Raises:
            ValueError: If there are not more anchors than neighbours of a rigid motion.
        """
        x = self.block(self.fc_feature(features) + self.fc_c(c).unsqueeze(1))
        x = F.relu(x)
        learned = self.fc_twist(x).to(paths).unflatten(-1, (-1, 6)).transpose(1, 2)
        spins = anchor_spins(paths, NUM_RIGID_NEIGHBOURS)
        rigid = F.pad(spins, (3, 0))  # no velocity beside that of the path
        weights = self.fc_weight(x).to(paths).clamp(-20, 20).exp()  # all or nothing beyond
        return MovingCode(c, c.new_zeros(len(c), 0), paths, features, rigid + learned, weights)
