"""Networks that look at every point by itself may be given many points piece by piece."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

POINTS_IN_CACHE = 2048
"""At the widths of the paper's networks, one layer of so many points fits into a core's cache."""


def piece_by_piece(
    network: Callable[[Tensor], Tensor], points: Float[Tensor, "B N D"]
) -> Float[Tensor, "B N *rest"]:
    """What a network in evaluation mode says of each point.

    A CPU spends half its time waiting for memory if a layer's output has left the cache when the
    next layer reads it. Without gradients nothing has to be kept, so pieces are run through all
    layers one after another. A GPU would rather have everything at once.

    Args:
        network: Points [B, n, D] -> values [B, n, ...], of each point by itself.
    """
    size = max(1, POINTS_IN_CACHE // max(1, len(points)))
    if torch.is_grad_enabled() or points.device.type != "cpu" or points.shape[1] <= size:
        return network(points)
    return torch.cat([network(piece) for piece in points.split(size, dim=1)], dim=1)
