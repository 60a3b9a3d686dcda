"""Posterior encoders of the generative model (sec. 3.4): observation -> Gaussian over a code."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from im2mesh.config.values import PositiveInt
from im2mesh.models.code import Gaussian
from im2mesh.models.encoders.encoder import Encoder
from im2mesh.models.encoders.pointnet import check_num_frames, join_frames
from im2mesh.models.layers.blocks import FullPrecisionLinear, ResnetBlockFC


class PosteriorPointnet(Encoder):
    """The residual PointNet on one cloud, or on corresponding clouds -> mean and log std.

    Args:
        num_frames: Number of frames T of the clouds; 1 for the shape code.
        code_size: Width C of the conditioned code, which is added after every block; may be 0.
        latent_size: Width Z of the latent code.
    """

    needs_corresponding_points = True

    def __init__(
        self,
        num_frames: int,
        code_size: int,
        latent_size: int,
        *,
        hidden_size: PositiveInt = 128,
        num_blocks: PositiveInt = 3,
    ) -> None:
        super().__init__()
        self.num_frames = num_frames
        self.latent_size = latent_size
        self.fc_pos = FullPrecisionLinear(3 * num_frames, 2 * hidden_size)
        self.layers = nn.ModuleList(
            ResnetBlockFC(2 * hidden_size, hidden_size) for _ in range(num_blocks)
        )
        self.fc_c = nn.ModuleList(
            nn.Linear(code_size, hidden_size) for _ in range(num_blocks if code_size else 0)
        )
        self.fc_mean = nn.Linear(hidden_size, latent_size)
        self.fc_logstd = nn.Linear(hidden_size, latent_size)

    def forward(
        self, clouds: Float[Tensor, "B T N 3"], times: Float[Tensor, "B T"], c: Float[Tensor, "B C"]
    ) -> Gaussian:
        check_num_frames(clouds, self.num_frames)
        x = self.fc_pos(join_frames(clouds))
        for i, block in enumerate(self.layers):
            x = block(x) if i == 0 else block(x, x.amax(1, keepdim=True))
            if len(self.fc_c):
                x = x + self.fc_c[i](c).unsqueeze(1)
        pooled = x.amax(1)
        mean, log_std = self.fc_mean(pooled), self.fc_logstd(pooled)
        # in bf16, the KL divergence would be too coarse
        dtype = torch.promote_types(mean.dtype, torch.float32)
        return Gaussian(mean.to(dtype), log_std.to(dtype))
