"""PointNets (Qi et al., CVPR 2017): a cloud, or the trajectories of its points -> one code."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from im2mesh.config import PositiveInt
from im2mesh.models.layers import ResnetBlockFC, append_pooled


class _Pointnet(nn.Module):
    """Layers with the maximum over all points appended between them, then one last maximum.

    Point n must be the same particle in every frame: its positions are concatenated into one
    vector of width 3T. With T = 1 this is the spatial encoder of one cloud.

    Args:
        num_frames: Number of frames T of the clouds.
        code_size: Width C of the code.
        layers: Between them, widths double; the first gets 2H.
    """

    def __init__(
        self, num_frames: int, code_size: int, hidden_size: int, layers: list[nn.Module]
    ) -> None:
        super().__init__()
        self.num_frames = num_frames
        self.fc_pos = nn.Linear(3 * num_frames, 2 * hidden_size)
        self.layers = nn.ModuleList(layers)
        self.fc_c = nn.Linear(hidden_size, code_size)

    def forward(self, clouds: Float[Tensor, "B T N 3"]) -> Float[Tensor, "B C"]:
        """Encode clouds; the order of the points does not matter.

        Raises:
            ValueError: If the clouds have another number of frames than the encoder.
        """
        if clouds.shape[1] != self.num_frames:
            raise ValueError(
                f"the encoder was built for {self.num_frames} frames, got {clouds.shape[1]}; "
                "set data.num_frames and train, or give it windows of that length"
            )
        x = self.fc_pos(clouds.transpose(1, 2).flatten(2))  # [B, N, 3T] -> [B, N, 2H]
        for layer in self.layers[:-1]:
            x = append_pooled(self._apply_layer(layer, x))
        x = self._apply_layer(self.layers[-1], x).amax(1)
        return self.fc_c(F.relu(x))

    def _apply_layer(self, layer: nn.Module, x: Tensor) -> Tensor:
        return layer(x)


class PointnetResnet(_Pointnet):
    """PointNet of residual blocks, the encoder of the paper's point cloud experiments."""

    def __init__(
        self,
        num_frames: int,
        code_size: int,
        *,
        hidden_size: PositiveInt = 512,
        num_blocks: PositiveInt = 5,
    ) -> None:
        blocks = [ResnetBlockFC(2 * hidden_size, hidden_size) for _ in range(num_blocks)]
        super().__init__(num_frames, code_size, hidden_size, list(blocks))


class PointnetSimple(_Pointnet):
    """PointNet of plain linear layers."""

    def __init__(
        self,
        num_frames: int,
        code_size: int,
        *,
        hidden_size: PositiveInt = 512,
        num_layers: PositiveInt = 4,
    ) -> None:
        layers = [nn.Linear(2 * hidden_size, hidden_size) for _ in range(num_layers)]
        super().__init__(num_frames, code_size, hidden_size, list(layers))

    def _apply_layer(self, layer: nn.Module, x: Tensor) -> Tensor:
        return layer(F.relu(x))


ENCODERS = {"pointnet_resnet": PointnetResnet, "pointnet_simple": PointnetSimple}
