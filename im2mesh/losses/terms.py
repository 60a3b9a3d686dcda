"""The terms of the loss (sec. 3.3 and 3.4 of the paper): pure functions, and a table of them.

To add a term, write its function, a row of `TERMS`, and its weight in `LossConfig`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from im2mesh.config.schema import LossConfig
from im2mesh.data.batch import Batch
from im2mesh.models.layers.neighbours import gather_rows, nearest_rows
from im2mesh.models.sequence_model import Question, SequenceCodes, SequenceModel

LossParts = dict[str, Float[Tensor, ""]]
"""Name -> part of the loss; most terms have a single part, which has the name of the term."""


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
    forward = points - _nearest(targets, points)
    backward = targets - _nearest(points, targets)
    return forward.square().sum(-1).mean() + backward.square().sum(-1).mean()


def _nearest(points: Float[Tensor, "B N D"], queries: Float[Tensor, "B Q D"]) -> Tensor:
    """The nearest point of every query, of shape [B, Q, D]; the choice has no gradient."""
    return gather_rows(points, nearest_rows(queries, points, 1)).squeeze(2)


@dataclass(frozen=True)
class LossInputs:
    """The inputs of all terms in one step.

    Attributes:
        model: Model that answers the questions of the terms.
        batch: Observed frames and the true answers.
        codes: Codes of the batch.
        settings: Weights and options of the terms.
        decisions: Random generator for choices that concern the whole step.
    """

    model: SequenceModel
    batch: Batch
    codes: SequenceCodes
    settings: LossConfig
    decisions: torch.Generator

    @cached_property
    def point_set(self) -> Float[Tensor, "B T N 3"]:
        return self.model.point_set(self.batch.times, self.codes)


@dataclass(frozen=True)
class Term:
    """A row of the table of terms.

    Attributes:
        question: Question that the model must answer; None for a term of the latent codes alone.
        compute: Function that computes the parts of the term, without its weight.
        teaches_motion: Whether the term teaches how points move, and nothing else.
    """

    question: Question | None
    compute: Callable[[LossInputs], LossParts]
    teaches_motion: bool = False


def start_error(inputs: LossInputs) -> Float[Tensor, ""]:
    """The reconstruction loss at t = 0."""
    batch = inputs.batch
    logits = inputs.model.occupancy_logits_0(batch.points_0, inputs.codes)
    return reconstruction_loss(logits, batch.occupancy_0)


def latent_parts(inputs: LossInputs) -> LossParts:
    """The KL divergence of each latent code that the model has."""
    codes = inputs.codes
    posteriors = {"kl_shape": codes.shape_posterior, "kl_motion": codes.motion_posterior}
    return {
        name: gaussian.kl_to_standard_normal()
        for name, gaussian in posteriors.items()
        if gaussian.mean.shape[1]
    }


def choose_frames(
    num_frames: int, choice: int | str | None, generator: torch.Generator
) -> Int[Tensor, "K"]:
    """Choose frames after the first, in order: `choice` at random, the "last", or all for None."""
    if choice == "last":
        return torch.tensor([num_frames - 1])
    if not isinstance(choice, int) or choice >= num_frames - 1:
        return torch.arange(1, num_frames)
    drawn = torch.randperm(num_frames - 1, generator=generator)[:choice]
    return drawn.sort().values + 1


def _reconstruction(inputs: LossInputs) -> LossParts:
    batch = inputs.batch
    logits_t = inputs.model.occupancy_logits(batch.points_t, batch.t, inputs.codes)
    return {
        "reconstruction_0": start_error(inputs),
        "reconstruction_t": reconstruction_loss(logits_t, batch.occupancy_t),
    }


def _correspondence(inputs: LossInputs) -> LossParts:
    batch, choice = inputs.batch, inputs.settings.correspondence_frames
    frames = choose_frames(len(batch.times), choice, inputs.decisions)
    times = batch.times[torch.cat([frames.new_zeros(1), frames])]
    trajectories = inputs.model.trajectories(batch.pointcloud[:, 0], times, inputs.codes)
    truth = torch.stack([batch.pointcloud[:, frame] for frame in frames.tolist()], 1)
    error = correspondence_loss(trajectories[:, 1:], truth)
    return {"correspondence": error}


def _correspondence_backward(inputs: LossInputs) -> LossParts:
    batch = inputs.batch
    trajectories = inputs.model.trajectories_from_end(
        batch.pointcloud[:, -1], batch.times, inputs.codes
    )
    error = correspondence_loss(trajectories[:, :-1], batch.pointcloud[:, :-1])
    return {"correspondence_backward": error}


def _chamfer(inputs: LossInputs) -> LossParts:
    """Chamfer distance of every frame by itself."""
    points, targets = inputs.point_set, inputs.batch.pointcloud
    return {"chamfer": chamfer_loss(points.flatten(0, 1), targets.flatten(0, 1))}  # [B T, N, 3]


def _chamfer_trajectories(inputs: LossInputs) -> LossParts:
    """Chamfer distance between whole trajectories, as points in 3T dimensions."""
    both = (inputs.point_set, inputs.batch.pointcloud)
    paths, true_paths = (x.transpose(1, 2).flatten(2) for x in both)  # [B, N, 3T]
    return {"chamfer_trajectories": chamfer_loss(paths, true_paths)}


TERMS = {
    "reconstruction": Term("occupancy", _reconstruction),
    "correspondence": Term("motion", _correspondence, teaches_motion=True),
    "correspondence_backward": Term("motion back", _correspondence_backward, teaches_motion=True),
    "chamfer": Term("point set", _chamfer),
    "chamfer_trajectories": Term("point set", _chamfer_trajectories),
    "kl": Term(None, latent_parts),
}
"""Key of the weight in section `loss` -> term."""
