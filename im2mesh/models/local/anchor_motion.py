"""The motion around every anchor: a rigid one fitted to its neighbours, and a learned one."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from im2mesh.models.layers.blocks import ResnetBlockFC
from im2mesh.models.local.codes import MovingCode
from im2mesh.models.local.rigid_motion import DEGREE, anchor_spins

NUM_RIGID_NEIGHBOURS = 8


class AnchorMotion(nn.Module):
    """Paths and features of anchors -> a code that says how space moves around each anchor.

    Space moves with the rigid motion that fits an anchor's neighbours best. A network adds a second
    motion, polynomial in time, and gives every anchor a weight. The output of the network starts
    at 0, so before training points are carried along with the observed trajectories.

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
        self.fc_weight = nn.Linear(hidden_size, 1, bias=False)  # a bias would cancel
        self.fc_twist = nn.Linear(hidden_size, 6 * (DEGREE + 1))
        for start in (self.fc_weight.weight, self.fc_twist.weight, self.fc_twist.bias):
            nn.init.zeros_(start)

    def forward(
        self,
        paths: Float[Tensor, "B K N 3"],
        features: Float[Tensor, "B N C"],
        c: Float[Tensor, "B C"],
    ) -> MovingCode:
        """Build the code of the moving anchors.

        Raises:
            ValueError: If there are fewer than 9 anchors: an anchor and its 8 neighbours.
        """
        x = self.block(self.fc_feature(features) + self.fc_c(c).unsqueeze(1))
        x = F.relu(x)
        learned = self.fc_twist(x).to(paths).unflatten(-1, (-1, 6)).transpose(1, 2)
        spins = anchor_spins(paths, NUM_RIGID_NEIGHBOURS)
        rigid = F.pad(spins, (3, 0))  # adds no velocity to that of the path
        weights = self.fc_weight(x).to(paths).clamp(-20, 20).exp()  # e^20 is already all or nothing
        return MovingCode(c, c.new_zeros(len(c), 0), paths, features, rigid + learned, weights)
