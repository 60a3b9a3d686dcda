"""What one training step minimises: model, batch and weights -> the named parts of the loss."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from im2mesh.config import Config, LossConfig
from im2mesh.data.batch import Batch
from im2mesh.losses import chamfer_loss, correspondence_loss, reconstruction_loss
from im2mesh.models.code import Generators
from im2mesh.models.sequence_model import Question, SequenceCodes, SequenceModel
from im2mesh.randomness import StepRandomness

LossParts = dict[str, Float[Tensor, ""]]
"""Name -> weighted part; the loss is their sum."""

QUESTIONS: dict[str, Question] = {
    "reconstruction": "occupancy",
    "correspondence": "motion",
    "correspondence_backward": "motion back",
    "chamfer": "point set",
    "chamfer_trajectories": "point set",
}
"""Weight -> what a model must answer for it."""

WEIGHTS = (*QUESTIONS, "kl")


def check_objective(model: SequenceModel, config: Config) -> None:
    """Refuse weights of losses that the model has no answer for, or no data.

    Raises:
        ValueError: Naming the key and what to change.
    """
    weights = config.loss
    for name, question in QUESTIONS.items():
        if getattr(weights, name) and question not in model.answers:
            raise ValueError(
                f"loss.{name} asks for {question}, which {model.method} with these parts does not "
                f"answer (it answers: {', '.join(sorted(model.answers))}); set loss.{name} to 0"
            )
    for name in ("correspondence", "correspondence_backward"):
        if getattr(weights, name) and not model.learns_motion:
            raise ValueError(
                f"loss.{name} compares motion, but nothing in this model that moves points has "
                f"weights: it learns nothing from it; set loss.{name} to 0"
            )
    if weights.kl and not model.has_posterior:
        raise ValueError(
            "loss.kl needs a latent code; set model.posterior or model.posterior_temporal, or "
            "loss.kl to 0"
        )
    for name in QUESTIONS:
        needs_trajectories = name != "reconstruction" and getattr(weights, name) > 0
        if needs_trajectories and not config.data.num_correspondence_points:
            raise ValueError(
                f"loss.{name} needs followed points; set data.num_correspondence_points"
            )
    if weights.motion_share < 1 and not (weights.reconstruction and model.encodes_shape_alone):
        raise ValueError(
            f"loss.motion_share is {weights.motion_share:g}, so some steps train the shape of the "
            "first frame alone; that needs loss.reconstruction, and a model with a code of its own "
            "for the shape (occupancy_flow with a decoder). Set loss.motion_share to 1"
        )
    if weights.reconstruction and not config.data.num_points:
        raise ValueError("loss.reconstruction needs labelled points; set data.num_points")
    if "occupancy" in model.answers and not config.validation.num_points:
        raise ValueError("the IoU of validation needs points; set validation.num_points")
    if "occupancy" not in model.answers and not config.data.num_correspondence_points:
        raise ValueError("validation needs followed points; set data.num_correspondence_points")


def compute_loss_parts(
    model: SequenceModel, batch: Batch, weights: LossConfig, randomness: StepRandomness
) -> LossParts:
    """The parts of the loss whose weight is not 0 (sec. 3.3 and 3.4 of the paper).

    Args:
        randomness: Draws latent codes; decides which frames the correspondence loss has, and
            whether the step is one of those that train the shape alone.
    """
    decisions, noise = randomness.decisions, randomness.noise
    if weights.motion_share < 1 and torch.rand((), generator=decisions) >= weights.motion_share:
        return _shape_parts(model, batch, weights, noise)
    codes = model.encode(batch.inputs, batch.input_times, noise)
    return {
        **_reconstruction_parts(model, batch, codes, weights),
        **_correspondence_parts(model, batch, codes, weights, decisions),
        **_chamfer_parts(model, batch, codes, weights),
        **_kl_parts(codes, weights),
    }


def _shape_parts(
    model: SequenceModel, batch: Batch, weights: LossConfig, generators: Generators
) -> LossParts:
    """Those of the first frame and t = 0: no motion is encoded, and nothing is carried."""
    codes = model.encode_shape(batch.inputs, batch.input_times, generators)
    parts = {"reconstruction_0": _start_error(model, batch, codes, weights)}
    return {**parts, **_kl_parts(codes, weights)}


def _reconstruction_parts(
    model: SequenceModel, batch: Batch, codes: SequenceCodes, weights: LossConfig
) -> LossParts:
    if not weights.reconstruction:
        return {}
    logits_t = model.occupancy_logits(batch.points_t, batch.t, codes)
    return {
        "reconstruction_0": _start_error(model, batch, codes, weights),
        "reconstruction_t": weights.reconstruction
        * reconstruction_loss(logits_t, batch.occupancy_t),
    }


def _start_error(
    model: SequenceModel, batch: Batch, codes: SequenceCodes, weights: LossConfig
) -> Float[Tensor, ""]:
    logits_0 = model.occupancy_logits_0(batch.points_0, codes)
    return weights.reconstruction * reconstruction_loss(logits_0, batch.occupancy_0)


def _correspondence_parts(
    model: SequenceModel,
    batch: Batch,
    codes: SequenceCodes,
    weights: LossConfig,
    generator: torch.Generator,
) -> LossParts:
    parts: LossParts = {}
    if weights.correspondence:
        frames = _choose_frames(len(batch.times), weights.correspondence_frames, generator)
        error = _forward_error(model, batch, codes, frames)
        parts["correspondence"] = weights.correspondence * error
    if weights.correspondence_backward:
        error = _backward_error(model, batch, codes)
        parts["correspondence_backward"] = weights.correspondence_backward * error
    return parts


def _choose_frames(
    num_frames: int, choice: int | str | None, generator: torch.Generator
) -> Int[Tensor, "K"]:
    """Different frames after the first, increasing: that many, the "last", or all for None."""
    if choice == "last":
        return torch.tensor([num_frames - 1])
    if not isinstance(choice, int) or choice >= num_frames - 1:
        return torch.arange(1, num_frames)
    drawn = torch.randperm(num_frames - 1, generator=generator)[:choice]
    return drawn.sort().values + 1


def _forward_error(
    model: SequenceModel, batch: Batch, codes: SequenceCodes, frames: Int[Tensor, "K"]
) -> Float[Tensor, ""]:
    times = batch.times[torch.cat([frames.new_zeros(1), frames])]
    trajectories = model.trajectories(batch.pointcloud[:, 0], times, codes)
    return correspondence_loss(trajectories[:, 1:], batch.pointcloud[:, frames])


def _backward_error(model: SequenceModel, batch: Batch, codes: SequenceCodes) -> Float[Tensor, ""]:
    trajectories = model.trajectories_from_end(batch.pointcloud[:, -1], batch.times, codes)
    return correspondence_loss(trajectories[:, :-1], batch.pointcloud[:, :-1])


def _chamfer_parts(
    model: SequenceModel, batch: Batch, codes: SequenceCodes, weights: LossConfig
) -> LossParts:
    if not (weights.chamfer or weights.chamfer_trajectories):
        return {}
    parts: LossParts = {}
    points, targets = model.point_set(batch.times, codes), batch.pointcloud
    if weights.chamfer:
        error = chamfer_loss(points.flatten(0, 1), targets.flatten(0, 1))  # [B T, N, 3]
        parts["chamfer"] = weights.chamfer * error
    if weights.chamfer_trajectories:
        paths, true_paths = (x.transpose(1, 2).flatten(2) for x in (points, targets))
        error = chamfer_loss(paths, true_paths)  # [B, N, 3T]
        parts["chamfer_trajectories"] = weights.chamfer_trajectories * error
    return parts


def _kl_parts(codes: SequenceCodes, weights: LossConfig) -> LossParts:
    """One part per latent code that the model has."""
    if not weights.kl:
        return {}
    posteriors = {"kl_shape": codes.shape_posterior, "kl_motion": codes.motion_posterior}
    return {
        name: weights.kl * gaussian.kl_to_standard_normal()
        for name, gaussian in posteriors.items()
        if gaussian.mean.shape[1]
    }
