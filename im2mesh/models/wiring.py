"""Config -> model: which networks a method has, what widths they get, and what does not fit."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from im2mesh.config import ComponentConfig, Config, DataConfig
from im2mesh.models.baselines import (
    NearestNeighbour,
    OccupancyNetwork4D,
    OccupancyNetworkPerFrame,
    PointSetGeneration4D,
)
from im2mesh.models.decoders import DECODERS
from im2mesh.models.encoders import ENCODERS, POSTERIORS
from im2mesh.models.flow import Flow
from im2mesh.models.occupancy_flow import OccupancyFlow
from im2mesh.models.sequence_model import SequenceModel
from im2mesh.models.trajectory_decoders import TRAJECTORY_DECODERS
from im2mesh.models.velocity_fields import VELOCITY_FIELDS

PARTS: dict[str, Mapping[str, Callable]] = {
    "encoder": ENCODERS,
    "encoder_temporal": ENCODERS,
    "posterior": POSTERIORS,
    "posterior_temporal": POSTERIORS,
    "decoder": DECODERS,
    "velocity_field": VELOCITY_FIELDS,
    "trajectory_decoder": TRAJECTORY_DECODERS,
}
"""Key of a network below `model` -> its names -> classes."""

NEEDED = {
    "occupancy_flow": {"velocity_field"},
    "onet4d": {"encoder_temporal", "decoder"},
    "onet_per_frame": {"encoder", "decoder"},
    "psgn4d": {"encoder_temporal", "trajectory_decoder"},
    "nearest_neighbour": set[str](),
}
OPTIONAL = {
    "occupancy_flow": {"encoder", "encoder_temporal", "posterior", "posterior_temporal", "decoder"}
}


def wire(config: Config) -> SequenceModel:
    """A model with fresh weights.

    Raises:
        ValueError: If parts are missing, have no use, or do not go together.
    """
    _check_parts(config)
    _check_inputs(config)
    return _WIRINGS[config.model.method](config)


def _occupancy_flow(config: Config) -> OccupancyFlow:
    parts, num_frames = config.model, config.data.observed_frames
    shape_c, shape_z = _code_sizes(config, "encoder", "posterior")
    motion_c, motion_z = _code_sizes(config, "encoder_temporal", "posterior_temporal")
    field = _make(VELOCITY_FIELDS, parts.velocity_field, motion_c, motion_z)
    return OccupancyFlow(
        _make_optional(ENCODERS, parts.encoder, 1, shape_c),
        _make_optional(ENCODERS, parts.encoder_temporal, num_frames, motion_c),
        _make_optional(DECODERS, parts.decoder, 3, shape_c, shape_z),
        Flow(field, config.ode),
        posterior=_make_optional(POSTERIORS, parts.posterior, 1, shape_c, shape_z),
        posterior_temporal=_make_optional(
            POSTERIORS, parts.posterior_temporal, num_frames, motion_c, motion_z
        ),
    )


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
    assert component is not None  # _check_parts has seen to it
    return table[component.name](*wiring, **component.options)


def _make_optional(
    table: Mapping[str, Callable], component: ComponentConfig | None, *wiring: int
) -> nn.Module | None:
    return None if component is None else _make(table, component, *wiring)


def _check_parts(config: Config) -> None:
    """Every part that the method needs, and none that it would silently ignore."""
    method = config.model.method
    needed, optional = NEEDED[method], OPTIONAL.get(method, set())
    for part in PARTS:
        component = getattr(config.model, part)
        if component is None and part in needed:
            names = ", ".join(PARTS[part])
            raise ValueError(f"{method} needs model.{part}; choose one of: {names}")
        if component is not None and part not in needed | optional:
            raise ValueError(
                f"{method} has no use for model.{part} '{component.name}'; set it to null"
            )


def _check_inputs(config: Config) -> None:
    """Every network must be able to read what is observed."""
    data = config.data
    if data.observed_frames > data.num_frames:
        raise ValueError(
            f"data.num_input_frames is {data.num_input_frames}, but windows have "
            f"{data.num_frames} frames; lower it, or set it to null for all of them"
        )
    if data.input_frames == "random" and data.num_input_frames is None:
        raise ValueError("data.input_frames is random, but all are observed; set num_input_frames")
    if config.model.method == "nearest_neighbour" and not (
        data.input == "pointcloud" and data.input_frames == "even"
    ):
        raise ValueError(
            "nearest_neighbour matches the first to the last cloud; set data.input to pointcloud "
            "and data.input_frames to even"
        )
    for part in ("encoder", "encoder_temporal", "posterior", "posterior_temporal"):
        component = getattr(config.model, part)
        if component is None:
            continue
        problem = _unreadable(PARTS[part][component.name], data, part.endswith("temporal"))
        if problem is not None:
            able = [
                name
                for name, network in PARTS[part].items()
                if _unreadable(network, data, part.endswith("temporal")) is None
            ]
            choice = f"choose one of: {', '.join(able)}" if able else "no network there can do that"
            raise ValueError(f"model.{part} '{component.name}' {problem}; {choice}")


def _unreadable(network: Any, data: DataConfig, is_temporal: bool) -> str | None:
    """Why a network cannot read what is observed; None if it can."""
    if data.input != network.input_kind:
        return f"reads {network.input_kind}, but data.input is {data.input or 'null'}"
    if not is_temporal:
        return None
    if network.needs_corresponding_points and not data.input_pointcloud_corresponding:
        return (
            "needs point i to be the same particle in every frame, but "
            "data.input_pointcloud_corresponding is false"
        )
    if data.input_frames == "random" and not network.sees_times:
        return "does not see the times of the frames, but data.input_frames is random"
    return None
