"""Encoders for small images, seen one by one or compared over time -> one code."""

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from im2mesh.config.values import PositiveInt
from im2mesh.models.encoders.encoder import Encoder
from im2mesh.models.encoders.image_network import ImageNetwork
from im2mesh.models.encoders.pooling import CELLS, means_of_cells
from im2mesh.models.views import Views, without_cameras

HEADS = 4


class ImageResnet(Encoder):
    """A residual network for images of 64 to 128 pixels, made for two CPU cores.

    Built for one frame, it sees that frame. Built for several frames, it sees each together with
    its neighbours, and compares the frames by self-attention, at any times.

    Args:
        num_frames: Number of frames; only whether it is 1 matters.
        code_size: Width C of the code.
        width: Channels of the first layer; the last has 8 times as many.
        hidden_size: Width of the layers that compare the frames.
    """

    input_kind = "images"
    sees_times = True
    min_image_size = ImageNetwork.min_image_size
    num_sights: ClassVar[int] = 0

    def __init__(
        self,
        num_frames: int,
        code_size: int,
        *,
        width: PositiveInt = 32,
        hidden_size: PositiveInt = 128,
    ) -> None:
        super().__init__()
        self.compares = num_frames > 1
        self.network = ImageNetwork(9 if self.compares else 3, width, self.num_sights)
        frame_size = CELLS * self.network.widths[-1]
        self.mixer = FrameMixer(frame_size, code_size, num_frames, hidden_size)

    def forward(
        self, observed: Float[Tensor, "B K 3 H W"] | Views, times: Float[Tensor, "B K"]
    ) -> Float[Tensor, "B C"]:
        """Encode images, RGB in [0, 1].

        Raises:
            ValueError: If the shape is not one of images.
        """
        return self._see(observed, times)[0]

    def _see(
        self,
        observed: Float[Tensor, "B K 3 H W"] | Views,
        times: Float[Tensor, "B K"],
        sights: Float[Tensor, "M E H W"] | None = None,
    ) -> tuple[Float[Tensor, "B C"], list[Float[Tensor, "M _ _ _"]]]:
        """The code, and the feature maps of all images from fine to coarse."""
        images = without_cameras(observed)
        if images.ndim != 5 or images.shape[2] != 3:
            raise ValueError(f"images must have shape [B, K, 3, H, W], got {list(images.shape)}")
        seen = with_neighbours(images) if self.compares else images
        maps = self.network(1 - seen.flatten(0, 1), sights)  # a white background is 0
        frames = means_of_cells(maps[-1]).unflatten(0, images.shape[:2])
        return self.mixer(frames, times), maps


class FrameMixer(nn.Module):
    """What each image shows, compared over time by self-attention -> one code.

    Args:
        size_in: Width of a frame's features.
        code_size: Width C of the code.
        num_frames: Number of frames; only whether it is 1 matters.
        hidden_size: Width of the attention.
    """

    def __init__(self, size_in: int, code_size: int, num_frames: int, hidden_size: int) -> None:
        super().__init__()
        if hidden_size % HEADS:
            raise ValueError(
                f"hidden_size {hidden_size} of an image encoder must be a multiple of {HEADS}"
            )
        self.fc_in = nn.Linear(size_in, hidden_size)
        self.fc_t = nn.Linear(1, hidden_size) if num_frames > 1 else None
        layers = [
            nn.TransformerEncoderLayer(
                hidden_size, HEADS, 2 * hidden_size, dropout=0.0, batch_first=True, norm_first=True
            )
            for _ in range(0 if num_frames == 1 else 2)
        ]
        self.layers = nn.ModuleList(layers)
        # without it, all units behind a rectifier once fell silent, and with them the code
        self.norm = nn.LayerNorm(hidden_size)
        self.fc_c = nn.Linear(hidden_size, code_size)

    def forward(
        self, frames: Float[Tensor, "B K D"], times: Float[Tensor, "B K"]
    ) -> Float[Tensor, "B C"]:
        x = self.fc_in(frames)
        if self.fc_t is not None:
            x = x + self.fc_t(times.to(frames.dtype).unsqueeze(-1))
        for layer in self.layers:
            x = layer(x)
        return self.fc_c(self.norm(x.mean(1)))


def with_neighbours(images: Float[Tensor, "B K 3 H W"]) -> Float[Tensor, "B K 9 H W"]:
    """Each image joined with the one before and the one after, so that motion can be seen."""
    before = torch.cat([images[:, :1], images[:, :-1]], 1)
    after = torch.cat([images[:, 1:], images[:, -1:]], 1)
    return torch.cat([before, images, after], 2)
