"""Config -> model: which networks a method has, and what widths they get."""

from collections.abc import Callable, Mapping
from typing import cast

from torch import nn

from im2mesh.config import ComponentConfig, Config, DataConfig
from im2mesh.models.baselines import (
    NearestNeighbour,
    OccupancyNetwork4D,
    OccupancyNetworkPerFrame,
    PointSetGeneration4D,
)
from im2mesh.models.compatibility import check_codes, check_inputs, check_parts
from im2mesh.models.decoders import DECODERS
from im2mesh.models.deformations import DEFORMATIONS, OneShotDeformation
from im2mesh.models.encoders import ENCODERS, POSTERIORS
from im2mesh.models.flow import Flow
from im2mesh.models.occupancy_flow import OccupancyFlow
from im2mesh.models.sequence_model import SequenceModel
from im2mesh.models.trajectory_decoders import TRAJECTORY_DECODERS
from im2mesh.models.velocity_fields import VELOCITY_FIELDS, VelocityField


def wire(config: Config) -> SequenceModel:
    """A model with fresh weights.

    Raises:
        ValueError: If parts are missing, have no use, or do not go together.
    """
    check_parts(config)
    check_inputs(config)
    check_codes(config)
    model = _WIRINGS[config.model.method](config)
    _check_sizes(model, config.data)
    return model


def _check_sizes(model: SequenceModel, data: DataConfig) -> None:
    """Enough observed points for the neighbours that parts look for, and large enough images."""
    for name, part in model.named_modules():
        needed = getattr(part, "min_points", 0)
        if needed > data.num_input_points:
            raise ValueError(
                f"{name} ({type(part).__name__}) needs at least {needed} observed points, and "
                f"data.num_input_points is {data.num_input_points}; raise it, or lower "
                "num_neighbours of that part"
            )
        needed = getattr(part, "min_image_size", 0)
        if needed > data.image_size:
            raise ValueError(
                f"{name} ({type(part).__name__}) needs images of at least {needed} pixels a side, "
                f"and data.image_size is {data.image_size}; raise it"
            )


def _occupancy_flow(config: Config) -> OccupancyFlow:
    parts, num_frames = config.model, config.data.observed_frames
    shape_c, shape_z = _code_sizes(config, "encoder", "posterior")
    motion_c, motion_z = _code_sizes(config, "encoder_temporal", "posterior_temporal")
    return OccupancyFlow(
        _make_optional(ENCODERS, parts.encoder, 1, shape_c),
        _make_optional(ENCODERS, parts.encoder_temporal, num_frames, motion_c),
        _make_optional(DECODERS, parts.decoder, 3, shape_c, shape_z),
        _flow(config, motion_c, motion_z),
        posterior=_make_optional(POSTERIORS, parts.posterior, 1, shape_c, shape_z),
        posterior_temporal=_make_optional(
            POSTERIORS, parts.posterior_temporal, num_frames, motion_c, motion_z
        ),
        evidence_frames=parts.evidence_frames,
    )


def _flow(config: Config, code_size: int, latent_size: int) -> Flow | OneShotDeformation:
    """A velocity field and its solver, or a deformation."""
    parts = config.model
    if parts.velocity_field is None:
        return cast(
            OneShotDeformation, _make(DEFORMATIONS, parts.deformation, code_size, latent_size)
        )
    field = _make(VELOCITY_FIELDS, parts.velocity_field, code_size, latent_size)
    return Flow(cast(VelocityField, field), config.ode)


def _onet4d(config: Config) -> OccupancyNetwork4D:
    parts, code_size = config.model, config.model.code_size
    encoder = _make(ENCODERS, parts.encoder_temporal, config.data.observed_frames, code_size)
    return OccupancyNetwork4D(encoder, _make(DECODERS, parts.decoder, 4, code_size, 0))


def _onet_per_frame(config: Config) -> OccupancyNetworkPerFrame:
    parts, code_size = config.model, config.model.code_size
    encoder = _make(ENCODERS, parts.encoder, 1, code_size)
    return OccupancyNetworkPerFrame(encoder, _make(DECODERS, parts.decoder, 3, code_size, 0))


def _psgn4d(config: Config) -> PointSetGeneration4D:
    parts, data, code_size = config.model, config.data, config.model.code_size
    encoder = _make(ENCODERS, parts.encoder_temporal, data.observed_frames, code_size)
    trajectories = _make(TRAJECTORY_DECODERS, parts.trajectory_decoder, data.num_frames, code_size)
    return PointSetGeneration4D(encoder, trajectories)


def _nearest_neighbour(config: Config) -> NearestNeighbour:
    return NearestNeighbour()


_WIRINGS: dict[str, Callable[[Config], SequenceModel]] = {
    "occupancy_flow": _occupancy_flow,
    "onet4d": _onet4d,
    "onet_per_frame": _onet_per_frame,
    "psgn4d": _psgn4d,
    "nearest_neighbour": _nearest_neighbour,
}


def _code_sizes(config: Config, encoder: str, posterior: str) -> tuple[int, int]:
    """Widths C and Z of a code; 0 for a part that nothing provides."""
    parts = config.model
    has_c, has_z = getattr(parts, encoder) is not None, getattr(parts, posterior) is not None
    return parts.code_size if has_c else 0, parts.latent_size if has_z else 0


def _make(
    table: Mapping[str, Callable], component: ComponentConfig | None, *wiring: int
) -> nn.Module:
    assert component is not None  # check_parts has seen to it
    return table[component.name](*wiring, **component.options)


def _make_optional(
    table: Mapping[str, Callable], component: ComponentConfig | None, *wiring: int
) -> nn.Module | None:
    return None if component is None else _make(table, component, *wiring)
