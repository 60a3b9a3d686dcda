"""The objective of a training step: model, batch and weights -> the named parts of the loss."""

import torch

from im2mesh.config.schema import Config, LossConfig
from im2mesh.data.batch import Batch
from im2mesh.losses.terms import TERMS, LossInputs, LossParts, latent_parts, start_error
from im2mesh.models.sequence_model import SequenceModel
from im2mesh.models.views import with_cameras
from im2mesh.randomness import StepRandomness


def check_objective(model: SequenceModel, config: Config) -> None:
    """Refuse losses that the model has no answer for, or that lack data.

    Raises:
        ValueError: If there is such a loss; names the key and what to change.
    """
    weights = config.loss
    for name in active_terms(weights):
        _check_term(name, model, config)
    if weights.motion_share < 1 and not (weights.reconstruction and model.encodes_shape_alone):
        raise ValueError(
            f"loss.motion_share is {weights.motion_share:g}, so some steps train the shape of the "
            "first frame alone; that needs loss.reconstruction, and a model with a code of its own "
            "for the shape (occupancy_flow with a decoder). Set loss.motion_share to 1"
        )
    if weights.reconstruction and not config.data.num_points:
        raise ValueError("loss.reconstruction needs labelled points; set data.num_points")
    if "occupancy" in model.answers and not config.validation.num_points:
        raise ValueError("the IoU of validation needs labelled points; set validation.num_points")
    if "occupancy" not in model.answers and not config.data.num_correspondence_points:
        raise ValueError("validation needs tracked points; set data.num_correspondence_points")


def active_terms(weights: LossConfig) -> list[str]:
    """Names of the terms whose weight is not 0."""
    return [name for name in TERMS if getattr(weights, name)]


def compute_loss_parts(
    model: SequenceModel, batch: Batch, weights: LossConfig, randomness: StepRandomness
) -> LossParts:
    """The weighted parts of all terms whose weight is not 0; the loss is their sum.

    Args:
        randomness: Random generators that draw latent codes and the frames of the correspondence
            loss, and decide whether the step trains the shape alone.
    """
    decisions, noise = randomness.decisions, randomness.noise
    observed = with_cameras(batch.inputs, batch.cameras)
    if weights.motion_share < 1 and torch.rand((), generator=decisions) >= weights.motion_share:
        codes = model.encode_shape(observed, batch.input_times, noise)
        return _shape_parts(LossInputs(model, batch, codes, weights, decisions))
    codes = model.encode(observed, batch.input_times, noise)
    inputs = LossInputs(model, batch, codes, weights, decisions)
    parts: LossParts = {}
    for name in active_terms(weights):
        parts |= _weighted(getattr(weights, name), TERMS[name].compute(inputs))
    return parts


def _check_term(name: str, model: SequenceModel, config: Config) -> None:
    term = TERMS[name]
    if term.question is not None and term.question not in model.answers:
        raise ValueError(
            f"loss.{name} asks for {term.question}, which {model.method} with these parts does not "
            f"answer (it answers: {', '.join(sorted(model.answers))}); set loss.{name} to 0"
        )
    if term.question is None and not model.has_posterior:
        raise ValueError(
            f"loss.{name} needs a latent code; set model.posterior or model.posterior_temporal, or "
            f"loss.{name} to 0"
        )
    if term.teaches_motion and not model.learns_motion:
        raise ValueError(
            f"loss.{name} compares motion, but no part of this model that moves points has "
            f"weights, so nothing can be learned from it; set loss.{name} to 0"
        )
    follows_points = term.question not in (None, "occupancy")
    if follows_points and not config.data.num_correspondence_points:
        raise ValueError(f"loss.{name} needs tracked points; set data.num_correspondence_points")


def _shape_parts(inputs: LossInputs) -> LossParts:
    """Parts of a step that trains the shape alone: no motion is encoded, no point carried."""
    weights = inputs.settings
    parts = _weighted(weights.reconstruction, {"reconstruction_0": start_error(inputs)})
    return parts | (_weighted(weights.kl, latent_parts(inputs)) if weights.kl else {})


def _weighted(weight: float, parts: LossParts) -> LossParts:
    return {name: weight * part for name, part in parts.items()}
