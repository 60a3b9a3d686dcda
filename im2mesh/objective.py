"""What one training step minimises: model, batch and weights -> the named parts of the loss."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from im2mesh.config import LossConfig
from im2mesh.data.batch import Batch
from im2mesh.losses import correspondence_loss, reconstruction_loss
from im2mesh.models.occupancy_flow import OccupancyFlow, SequenceCodes

LossParts = dict[str, Float[Tensor, ""]]
"""Name -> weighted part; the loss is their sum."""


def compute_loss_parts(
    model: OccupancyFlow, batch: Batch, weights: LossConfig, generator: torch.Generator
) -> LossParts:
    """The parts of the loss whose weight is not 0 (sec. 3.3 of the paper)."""
    codes = model.encode(batch.inputs)
    parts: LossParts = {}
    if weights.reconstruction:
        parts["reconstruction_0"] = weights.reconstruction * reconstruction_loss(
            model.occupancy_logits_0(batch.points_0, codes), batch.occupancy_0
        )
        parts["reconstruction_t"] = weights.reconstruction * reconstruction_loss(
            model.occupancy_logits(batch.points_t, batch.t, codes), batch.occupancy_t
        )
    if weights.correspondence:
        frames = _choose_frames(len(batch.times), weights.correspondence_frames, generator)
        parts["correspondence"] = weights.correspondence * _forward_error(
            model, batch, codes, frames
        )
    if weights.correspondence_backward:
        parts["correspondence_backward"] = weights.correspondence_backward * _backward_error(
            model, batch, codes
        )
    return parts


def _choose_frames(
    num_frames: int, count: int | None, generator: torch.Generator
) -> Int[Tensor, "K"]:
    """`count` different frames after the first, increasing; all of them for None."""
    if count is None or count >= num_frames - 1:
        return torch.arange(1, num_frames)
    drawn = torch.randperm(num_frames - 1, generator=generator)[:count]
    return drawn.sort().values + 1


def _forward_error(
    model: OccupancyFlow, batch: Batch, codes: SequenceCodes, frames: Int[Tensor, "K"]
) -> Float[Tensor, ""]:
    times = batch.times[torch.cat([frames.new_zeros(1), frames])]
    trajectories = model.trajectories(batch.pointcloud[:, 0], times, codes)
    return correspondence_loss(trajectories[:, 1:], batch.pointcloud[:, frames])


def _backward_error(model: OccupancyFlow, batch: Batch, codes: SequenceCodes) -> Float[Tensor, ""]:
    trajectories = model.trajectories_from_end(batch.pointcloud[:, -1], batch.times, codes)
    return correspondence_loss(trajectories[:, :-1], batch.pointcloud[:, :-1])
