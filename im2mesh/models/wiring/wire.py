"""From a configuration to a model with fresh weights."""

from typing import cast

from torch import nn

from im2mesh.config.schema import Config, ModelConfig
from im2mesh.models.flow.flow import Flow
from im2mesh.models.flow.velocity_fields import VelocityField
from im2mesh.models.sequence_model import SequenceModel
from im2mesh.models.wiring.parts import METHODS, PARTS


def wire(config: Config) -> SequenceModel:
    """Build the networks that a configuration names, and assemble the method from them.

    Raises:
        ValueError: If a network cannot be built with its widths and options.
    """
    method = METHODS[config.model.method]
    return method.from_parts(_make_parts(method, config), config.model)


def _make_parts(method: type[SequenceModel], config: Config) -> dict[str, nn.Module]:
    """Build networks by their keys in the configuration; the one that moves points is `carrier`."""
    frames = config.data.observed_frames
    shape = _code_sizes(config.model, "encoder", "posterior")
    motion = _code_sizes(config.model, "encoder_temporal", "posterior_temporal")
    reads_shape = method.decoder_reads == "encoder"
    sizes = {
        "encoder": (frames if _shape_sees_all(config) else 1, shape[0]),
        "encoder_temporal": (frames, motion[0]),
        "decoder": (method.decoder_dimensions, *(shape if reads_shape else motion)),
        "velocity_field": motion,
        "deformation": motion,
        "posterior": (1, *shape),
        "posterior_temporal": (frames, *motion),
        "trajectory_decoder": (config.data.num_frames, motion[0]),
    }
    parts = {}
    for part, networks in PARTS.items():
        component = getattr(config.model, part)
        if component is not None:
            try:
                parts[part] = networks[component.name](*sizes[part], **component.options)
            except RuntimeError as error:  # of torch, which cannot allocate the weights
                raise ValueError(
                    f"model.{part} cannot be built with its sizes ({error}); lower them"
                ) from error
    if "velocity_field" in parts:
        parts["carrier"] = Flow(cast(VelocityField, parts.pop("velocity_field")), config.ode)
    elif "deformation" in parts:
        parts["carrier"] = parts.pop("deformation")
    return parts


def _shape_sees_all(config: Config) -> bool:
    encoder = config.model.encoder
    return encoder is not None and PARTS["encoder"][encoder.name].sees_all_frames


def _code_sizes(model: ModelConfig, encoder: str, posterior: str) -> tuple[int, int]:
    """Widths C and Z of a code; 0 for a part that nothing provides."""
    has_c, has_z = getattr(model, encoder) is not None, getattr(model, posterior) is not None
    return model.code_size if has_c else 0, model.latent_size if has_z else 0
