"""PointNets (Qi et al., CVPR 2017): clouds -> one code. The order of the points does not matter."""

from collections.abc import Iterable, Sequence
from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from im2mesh.config.values import PositiveInt
from im2mesh.models.code import CodePerFrame
from im2mesh.models.encoders.encoder import Encoder
from im2mesh.models.layers.blocks import FullPrecisionLinear, ResnetBlockFC, linear_of_joined


class _Pointnet(Encoder):
    """Layers per point; the maximum over all points is appended between them, and taken at the end.

    Point n must be the same particle in every frame: its positions are concatenated into one
    vector of width 3T. With T = 1 this is the spatial encoder of one cloud.

    Args:
        num_frames: Number of frames T of the clouds.
        code_size: Width C of the code.
        layers: Layers from width 2H, which holds a point's features and the maximum, to width H.
    """

    needs_corresponding_points = True

    def __init__(
        self, num_frames: int, code_size: int, hidden_size: int, layers: Sequence[nn.Module]
    ) -> None:
        super().__init__()
        self.num_frames = num_frames
        self.fc_pos = FullPrecisionLinear(3 * num_frames, 2 * hidden_size)
        self.layers = nn.ModuleList(layers)
        self.fc_c = FullPrecisionLinear(hidden_size, code_size)

    def forward(
        self, clouds: Float[Tensor, "B T N 3"], times: Float[Tensor, "B T"]
    ) -> Float[Tensor, "B C"]:
        """Encode clouds; times are ignored.

        Raises:
            ValueError: If the number of frames is not num_frames.
        """
        check_num_frames(clouds, self.num_frames)
        x = self.fc_pos(join_frames(clouds))
        return self.fc_c(F.relu(self._pool(x)))

    def _pool(self, x: Float[Tensor, "B N H2"]) -> Float[Tensor, "B H"]:
        raise NotImplementedError


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
        super().__init__(num_frames, code_size, hidden_size, blocks)

    def _pool(self, x: Float[Tensor, "B N H2"]) -> Float[Tensor, "B H"]:
        x = self.layers[0](x)
        for block in self.layers[1:]:
            x = block(x, x.amax(1, keepdim=True))
        return x.amax(1)


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
        super().__init__(num_frames, code_size, hidden_size, layers)

    def _pool(self, x: Float[Tensor, "B N H2"]) -> Float[Tensor, "B H"]:
        x = self.layers[0](F.relu(x))
        for layer in cast(Iterable[nn.Linear], self.layers[1:]):
            x = F.relu(x)
            x = linear_of_joined(layer, x, x.amax(1, keepdim=True))
        return x.amax(1)


class Pointnet2Stream(Encoder):
    """One PointNet of width C/2 for the first and the last cloud, whose codes are concatenated.

    The paper uses it for interpolation and shape matching. Rows of the clouds need not correspond.
    """

    needs_several_frames = True

    def __init__(
        self,
        num_frames: int,
        code_size: int,
        *,
        hidden_size: PositiveInt = 512,
        num_blocks: PositiveInt = 5,
    ) -> None:
        super().__init__()
        if num_frames != 2 or code_size % 2:
            raise ValueError(
                "encoder 'pointnet_2stream' reads 2 frames into a code of even width, got "
                f"{num_frames} frames and width {code_size}; set data.num_input_frames to 2"
            )
        self.stream = PointnetResnet(
            1, code_size // 2, hidden_size=hidden_size, num_blocks=num_blocks
        )

    def forward(
        self, clouds: Float[Tensor, "B 2 N 3"], times: Float[Tensor, "B 2"]
    ) -> Float[Tensor, "B C"]:
        check_num_frames(clouds, 2)
        codes = [self.stream(clouds[:, k : k + 1], times[:, k : k + 1]) for k in (0, 1)]
        return torch.cat(codes, -1)


class SpaceTime(Encoder):
    """A PointNet over points (p, t), pooled per frame and over all frames between its blocks.

    Points need not correspond. Frames may be of any number and at any times, so `num_frames` is
    ignored. The idea is that of LPDC-Net's encoder (Tang et al., CVPR 2021).
    """

    sees_times = True

    def __init__(
        self,
        num_frames: int,
        code_size: int,
        *,
        hidden_size: PositiveInt = 512,
        num_blocks: PositiveInt = 5,
    ) -> None:
        super().__init__()
        self.fc_pos = FullPrecisionLinear(4, 3 * hidden_size)
        self.blocks = nn.ModuleList(
            ResnetBlockFC(3 * hidden_size, hidden_size) for _ in range(num_blocks)
        )
        self.fc_c = FullPrecisionLinear(hidden_size, code_size)

    def pool_frames(
        self, clouds: Float[Tensor, "B T N 3"], times: Float[Tensor, "B T"]
    ) -> Float[Tensor, "B T H"]:
        """Features of every frame; from two blocks on, they also depend on the other frames."""
        time = times[:, :, None, None].expand(*clouds.shape[:3], 1)
        x = self.blocks[0](self.fc_pos(torch.cat([clouds, time], -1)))  # [B, T, N, H]
        for block in self.blocks[1:]:
            of_frame = x.amax(2, keepdim=True)
            of_sequence = of_frame.amax(1, keepdim=True)
            x = block(x, of_frame, of_sequence)
        return x.amax(2)


class PointnetSpaceTime(SpaceTime):
    """The PointNet over points (p, t) of all frames -> one code of the sequence."""

    def forward(
        self, clouds: Float[Tensor, "B T N 3"], times: Float[Tensor, "B T"]
    ) -> Float[Tensor, "B C"]:
        return self.fc_c(F.relu(self.pool_frames(clouds, times).amax(1)))


def join_frames(clouds: Float[Tensor, "B T N 3"]) -> Float[Tensor, "B N D"]:
    """One vector of width D = 3T per point: its positions in all frames."""
    return clouds.transpose(1, 2).flatten(2)


def check_num_frames(clouds: Float[Tensor, "B T N 3"], num_frames: int) -> None:
    """Refuse clouds with another number of frames than the network was built for."""
    if clouds.shape[1] != num_frames:
        raise ValueError(
            f"the encoder was built for {num_frames} frames, got {clouds.shape[1]}; set "
            "data.num_frames and train, or give it windows of that length"
        )


class PointnetPerFrame(SpaceTime):
    """The PointNet over points (p, t) of all frames -> a code per frame, and one of the sequence.

    A frame's code depends on the other frames, too: between the blocks, every point gets the
    maximum over its frame and the maximum over all frames.
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
        # in bf16, codes interpolated between two frames would change in coarse steps
        frames = frames.to(torch.promote_types(frames.dtype, torch.float32))
        return CodePerFrame(c=c, z=c.new_zeros(len(c), 0), frames=frames, times=times)
