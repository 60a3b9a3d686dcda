"""Attention of a query point to its nearest anchors, as the local decoder uses it."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from im2mesh.models.layers.blocks import ResnetBlockFC
from im2mesh.models.local.neighbourhood import Neighbourhood

OFFSET_SCALE = 10.0
"""Factor that brings offsets, a few hundredths of the body's size, to the size of features."""


class LocalAttention(nn.Module):
    """Features at query points, computed from the features of their nearest anchors.

    For every neighbour a residual block turns (anchor feature, offset, distance) into a vector. A
    softmax over the neighbours, channel by channel, weighs these vectors (as in the Point
    Transformer, Zhao et al., ICCV 2021). The weights are multiplied by the neighbourhood's falloff,
    so that the result does not jump where the neighbours change.

    Args:
        feature_size: Width C of the anchors' features.
        hidden_size: Width H of the returned features.
    """

    def __init__(self, feature_size: int, hidden_size: int) -> None:
        super().__init__()
        self.fc_feature = nn.Linear(feature_size, hidden_size)
        self.fc_offset = nn.Linear(2 * 3 + 2, hidden_size, bias=False)
        self.mix = ResnetBlockFC(hidden_size)
        self.attention = nn.Linear(hidden_size, hidden_size, bias=False)  # a bias would cancel

    def forward(
        self, near: Neighbourhood, features: Float[Tensor, "B N C"]
    ) -> Float[Tensor, "B Q H"]:
        geometry = self.fc_offset(_geometry(near))
        hidden = self.mix(near.take(self.fc_feature(features)) + geometry)  # [B, Q, k, H]
        falloff = near.falloff().unsqueeze(-1)  # in the precision of positions, like the softmax
        scores = self.attention(F.relu(hidden)).to(falloff) + falloff.log()
        return (torch.softmax(scores, 2).to(hidden.dtype) * hidden).sum(2)


def _geometry(near: Neighbourhood) -> Float[Tensor, "B Q k G"]:
    """Offsets in units of the frame, and of the radius, which look alike at any density."""
    radius, distances = near.radius.unsqueeze(-1), near.distances.unsqueeze(-1)
    parts = [
        OFFSET_SCALE * near.offsets,
        near.offsets / (radius + 1e-9),
        distances / (radius + 1e-9),
        OFFSET_SCALE * radius.expand_as(distances),
    ]
    return torch.cat(parts, -1)
