"""How good a model is on windows it was not trained on."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from im2mesh.data.batch import Batch
from im2mesh.errors import UserError
from im2mesh.evaluation.metrics import iou
from im2mesh.losses.terms import chamfer_loss, correspondence_loss
from im2mesh.machine.processes import Processes
from im2mesh.models.flow.solver_errors import SolverError
from im2mesh.models.sequence_model import SequenceCodes, SequenceModel
from im2mesh.models.views import with_cameras
from im2mesh.training.compilation import uncompiled

CRITERIA = {"iou": 1.0, "correspondence_l2": -1.0, "chamfer": -1.0}
"""Score -> sign (-1: less is better). The first that a model has decides which weights are best."""


@dataclass(frozen=True)
class ValidationScores:
    """Mean scores over windows, for everything that the model answers.

    Attributes:
        means: iou_0 (labelled points at t = 0), iou_t (at one frame per window) and iou, the mean
            of both; correspondence_l2 of carried surface points; chamfer (squared) of point sets;
            kl_shape and kl_motion of latent codes, in nats per dimension, not weighted.
    """

    means: dict[str, float]

    @property
    def score(self) -> float:
        """The score that decides which weights are best; more is better."""
        name = next(name for name in CRITERIA if name in self.means)
        return CRITERIA[name] * self.means[name]

    def __str__(self) -> str:
        return ", ".join(f"{name} {value:.4f}" for name, value in self.means.items())


class NotFiniteScoreError(UserError):
    """A score of a window is NaN or infinite."""


@torch.no_grad()
def validate(
    model: SequenceModel,
    batches: Iterable[Batch],
    processes: Processes,
    *,
    threshold: float,
    last_frame_only: bool,
) -> ValidationScores:
    """Score a model on validation windows.

    Args:
        batches: This process's share: with n processes, process r has batches r, r + n, ...
        processes: Processes that share the batches; all get the same scores.
        threshold: Probability from which a point counts as inside.
        last_frame_only: Measure correspondence in the last frame, not in all after the first.

    Raises:
        NotFiniteScoreError: With the names of the windows whose score is NaN or infinite.
    """
    was_training, device = model.training, next(model.parameters()).device
    model.eval()
    with uncompiled():
        own = [_scored(model, batch.to(device), threshold, last_frame_only) for batch in batches]
    model.train(was_training)
    scored = _in_order(processes.gather(own))
    means = {}
    for name in scored[0].scores:
        values = torch.cat([batch.scores[name] for batch in scored])
        _refuse_not_finite(name, values, [window for batch in scored for window in batch.windows])
        means[name] = values.mean().item()
    return ValidationScores(means)


@dataclass(frozen=True)
class _ScoredBatch:
    """Scores by name, one per window of a batch; on the CPU, to be sent to other processes."""

    windows: tuple[str, ...]
    scores: dict[str, Tensor]


def _scored(
    model: SequenceModel, batch: Batch, threshold: float, last_frame_only: bool
) -> _ScoredBatch:
    windows = tuple(str(window) for window in batch.windows)
    try:
        scores = _score(model, batch, threshold, last_frame_only)
    except SolverError as error:
        raise NotFiniteScoreError(f"windows {', '.join(windows)}: {error}") from error
    return _ScoredBatch(windows, {name: values.cpu() for name, values in scores.items()})


def _in_order(shares: list[list[_ScoredBatch]]) -> list[_ScoredBatch]:
    """The batches of all processes, in the order of a single process."""
    longest = max(map(len, shares))
    return [share[i] for i in range(longest) for share in shares if i < len(share)]


def _refuse_not_finite(name: str, values: Float[Tensor, "N"], windows: list[str]) -> None:
    wrong = [f"{window} {value:g}" for window, value in zip(windows, values.tolist(), strict=True)
             if not math.isfinite(value)]  # fmt: skip
    if wrong:
        raise NotFiniteScoreError(
            f"{name} is not finite for {', '.join(wrong[:3])} (of {len(wrong)} windows); weights "
            "have diverged, or the data of these windows is broken: lower training.learning_rate, "
            "set training.gradient_clip, or check the data"
        )


def _score(
    model: SequenceModel, batch: Batch, threshold: float, last_frame_only: bool
) -> dict[str, Float[Tensor, "B"]]:
    codes = model.encode(with_cameras(batch.inputs, batch.cameras), batch.input_times)
    scores: dict[str, Float[Tensor, "B"]] = {}
    if "occupancy" in model.answers and batch.points_0.shape[1]:
        scores |= _ious(model, batch, codes, threshold)
    if "motion" in model.answers and batch.pointcloud.shape[2]:
        stride = max(1, len(batch.times) - 1) if last_frame_only else 1
        carried = model.trajectories(batch.pointcloud[:, 0], batch.times[::stride], codes)
        pairs = zip(carried[:, 1:], batch.pointcloud[:, stride::stride], strict=True)
        errors = [correspondence_loss(path[None], truth[None]) for path, truth in pairs]
        scores["correspondence_l2"] = torch.stack(errors)
    for name, gaussian in (("shape", codes.shape_posterior), ("motion", codes.motion_posterior)):
        if gaussian.mean.shape[1]:
            scores[f"kl_{name}"] = gaussian.kl_to_standard_normal().expand(len(batch.t))
    if "point set" in model.answers:
        pairs = zip(model.point_set(batch.times, codes), batch.pointcloud, strict=True)
        scores["chamfer"] = torch.stack([chamfer_loss(*pair) for pair in pairs])
    return scores


def _ious(
    model: SequenceModel, batch: Batch, codes: SequenceCodes, threshold: float
) -> dict[str, Float[Tensor, "B"]]:
    logits_0 = model.occupancy_logits_0(batch.points_0, codes)
    logits_t = model.occupancy_logits(batch.points_t, batch.t, codes)
    iou_0 = _logit_iou(logits_0, batch.occupancy_0, threshold)
    iou_t = _logit_iou(logits_t, batch.occupancy_t, threshold)
    return {"iou": (iou_0 + iou_t) / 2, "iou_0": iou_0, "iou_t": iou_t}


def _logit_iou(
    logits: Float[Tensor, "B N"], occupancy: Float[Tensor, "B N"], threshold: float
) -> Float[Tensor, "B"]:
    """IoU per item, on the CPU; NaN if a logit is not finite, which would count as outside."""
    logits, occupancy = logits.cpu(), occupancy.cpu()
    ious = point_iou(torch.sigmoid(logits) > threshold, occupancy > 0.5)
    return ious.where(logits.isfinite().all(dim=1), math.nan)


def point_iou(predicted: Bool[Tensor, "B N"], target: Bool[Tensor, "B N"]) -> Float[Tensor, "B"]:
    """Intersection over union per item; for tensors on the CPU."""
    pairs = zip(predicted.numpy(), target.numpy(), strict=True)
    return torch.tensor([iou(*pair) for pair in pairs])
