"""How good a model is on windows it was not trained on."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.utils.data import DataLoader

from im2mesh.data.batch import Batch
from im2mesh.losses import correspondence_loss
from im2mesh.metrics import iou
from im2mesh.models.occupancy_flow import OccupancyFlow


@dataclass(frozen=True)
class ValidationScores:
    """Means over windows.

    Attributes:
        iou_0: Intersection over union of labelled points at t = 0.
        iou_t: The same at one frame per window.
        correspondence_l2: Mean distance of carried surface points, frames after the first.
    """

    iou_0: float
    iou_t: float
    correspondence_l2: float

    @property
    def iou(self) -> float:
        return (self.iou_0 + self.iou_t) / 2


@torch.no_grad()
def validate(
    model: OccupancyFlow, batches: DataLoader, threshold: float, device: torch.device
) -> ValidationScores:
    """Score a model; `threshold` is the probability from which a point counts as inside."""
    was_training = model.training
    model.eval()
    rows = torch.cat([_score(model, batch.to(device), threshold) for batch in batches])
    model.train(was_training)
    return ValidationScores(*rows.mean(0).tolist())


def _score(model: OccupancyFlow, batch: Batch, threshold: float) -> Float[Tensor, "B 3"]:
    codes = model.encode(batch.inputs)
    inside_0 = torch.sigmoid(model.occupancy_logits_0(batch.points_0, codes)) > threshold
    inside_t = torch.sigmoid(model.occupancy_logits(batch.points_t, batch.t, codes)) > threshold
    carried = model.trajectories(batch.pointcloud[:, 0], batch.times, codes)[:, 1:]
    errors = [
        correspondence_loss(path.unsqueeze(0), truth.unsqueeze(0))
        for path, truth in zip(carried, batch.pointcloud[:, 1:], strict=True)
    ]
    return torch.stack(
        [
            point_iou(inside_0, batch.occupancy_0 > 0.5),
            point_iou(inside_t, batch.occupancy_t > 0.5),
            torch.stack(errors),
        ],
        dim=1,
    )


def point_iou(predicted: Bool[Tensor, "B N"], target: Bool[Tensor, "B N"]) -> Float[Tensor, "B"]:
    """Intersection over union per item."""
    pairs = zip(predicted.cpu().numpy(), target.cpu().numpy(), strict=True)
    return torch.tensor([iou(*pair) for pair in pairs], device=predicted.device)
