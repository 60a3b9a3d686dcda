"""Losses: tensors in, scalar out."""

import torch
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


def chamfer_loss(points: Float[Tensor, "B N D"], targets: Float[Tensor, "B M D"]) -> Tensor:
    """Squared Chamfer distance: mean squared distance to the nearest target, plus the reverse.

    Points may have any dimension: 3 for clouds, 3T for whole trajectories (PSGN 4D).
    """
    with torch.no_grad():  # only the choice of the neighbour; distances follow from differences
        # as differences, not as a matrix product, which would be rounded under tf32
        exact = "donot_use_mm_for_euclid_dist"
        distances = torch.cdist(points.float(), targets.float(), compute_mode=exact)
        to_target, to_point = distances.argmin(2), distances.argmin(1)
    forward = points - _take(targets, to_target)
    backward = targets - _take(points, to_point)
    return forward.square().sum(-1).mean() + backward.square().sum(-1).mean()


def _take(points: Float[Tensor, "B N D"], rows: Tensor) -> Tensor:
    return points.gather(1, rows.unsqueeze(-1).expand(-1, -1, points.shape[-1]))
