"""Losses: tensors in, scalar out."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def reconstruction_loss(
    occupancy_logits: Float[Tensor, "B N"], occupancy: Float[Tensor, "B N"]
) -> Float[Tensor, ""]:
    """Mean binary cross-entropy between predicted and true occupancy (eq. 5)."""
    return F.binary_cross_entropy_with_logits(occupancy_logits.to(occupancy.dtype), occupancy)


def correspondence_loss(
    trajectories: Float[Tensor, "B T N 3"], pointcloud: Float[Tensor, "B T N 3"]
) -> Float[Tensor, ""]:
    """Mean L2 distance between carried and true points, in units of the first frame (eq. 6).

    Not squared. Frames that are given and not predicted (t = 0) must be left out by the caller.
    """
    return (trajectories - pointcloud).norm(dim=-1).mean()
