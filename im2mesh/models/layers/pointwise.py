"""Networks that treat every point by itself, applied to many points piece by piece."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

POINTS_IN_CACHE = 2048
"""Number of points whose values in a layer of the paper's width fit into a CPU core's cache."""


def piece_by_piece(
    network: Callable[[Tensor], Tensor], points: Float[Tensor, "B N D"]
) -> Float[Tensor, "B N *rest"]:
    """Apply a network in evaluation mode to points, on a CPU in pieces that fit into the cache.

    A CPU spends half its time waiting for memory if a layer's output has left the cache when the
    next layer reads it. Without gradients no values have to be kept, so each piece can pass
    through all layers before the next one. A GPU is faster with all points at once.

    Args:
        network: Function: points [B, n, D] -> values [B, n, ...], each from its point alone.
    """
    size = max(1, POINTS_IN_CACHE // max(1, len(points)))
    if torch.is_grad_enabled() or points.device.type != "cpu" or points.shape[1] <= size:
        return network(points)
    return torch.cat([network(piece) for piece in points.split(size, dim=1)], dim=1)
