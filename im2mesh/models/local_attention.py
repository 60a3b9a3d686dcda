"""A query looks at its nearest anchors: what a local decoder and a local velocity field share."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from im2mesh.models.layers import ResnetBlockFC
from im2mesh.models.neighbourhood import Neighbourhood

OFFSET_SCALE = 10.0
"""Brings offsets, which are a few hundredths of the body, to the size of features."""


class LocalAttention(nn.Module):
    """Features at queries from the features of their nearest anchors.

    Every neighbour gives relu-residual features of (anchor feature, offset, distance); a softmax
    over the neighbours, channel by channel, weighs them (as in the Point Transformer, Zhao et al.,
    ICCV 2021). The weights are multiplied by the neighbourhood's falloff, so that the result has no
    jump where neighbours change.

    Args:
        feature_size: Width C of the anchors' features.
        hidden_size: Width H of the result.
        num_dimensions: Of the points: 3, or 4 in space and time.
    """

    def __init__(self, feature_size: int, hidden_size: int, num_dimensions: int = 3) -> None:
        super().__init__()
        self.fc_feature = nn.Linear(feature_size, hidden_size)
        self.fc_offset = nn.Linear(2 * num_dimensions + 2, hidden_size, bias=False)
        self.mix = ResnetBlockFC(hidden_size)
        self.attention = nn.Linear(hidden_size, hidden_size, bias=False)  # differences count

    def forward(
        self, near: Neighbourhood, features: Float[Tensor, "B N C"]
    ) -> Float[Tensor, "B Q H"]:
        geometry = self.fc_offset(_geometry(near))
        hidden = self.mix(near.take(self.fc_feature(features)) + geometry)  # [B, Q, k, H]
        falloff = near.falloff().unsqueeze(-1)  # in the precision of positions, as the softmax
        scores = self.attention(F.relu(hidden)).to(falloff) + falloff.log()
        return (torch.softmax(scores, 2).to(hidden.dtype) * hidden).sum(2)


def _geometry(near: Neighbourhood) -> Float[Tensor, "B Q k G"]:
    """Offsets as they are, and relative to the radius: alike in dense and sparse clouds."""
    radius, distances = near.radius.unsqueeze(-1), near.distances.unsqueeze(-1)
    parts = [
        OFFSET_SCALE * near.offsets,
        near.offsets / (radius + 1e-9),
        distances / (radius + 1e-9),
        OFFSET_SCALE * radius.expand_as(distances),
    ]
    return torch.cat(parts, -1)
