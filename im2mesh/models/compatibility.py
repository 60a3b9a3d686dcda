"""What does not go together in a configuration, said before anything is built."""

from typing import Any

from im2mesh.config import ComponentConfig, Config, DataConfig
from im2mesh.models.code import Code, FramesCode
from im2mesh.models.parts import NEEDED, OPTIONAL, PARTS


def check_parts(config: Config) -> None:
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
    if method == "occupancy_flow":
        _check_flow(config)


def _check_flow(config: Config) -> None:
    """One thing must carry the points, and what it does not look at must not be there."""
    field, deformation = config.model.velocity_field, config.model.deformation
    if field is None and deformation is None:
        raise ValueError(
            "occupancy_flow needs model.velocity_field or model.deformation; choose a velocity "
            f"field of: {', '.join(PARTS['velocity_field'])}; or a deformation of: "
            f"{', '.join(PARTS['deformation'])}"
        )
    if field is not None and deformation is not None:
        raise ValueError(
            f"both model.velocity_field '{field.name}' and model.deformation "
            f"'{deformation.name}' would carry the points; set one of them to null"
        )
    if deformation is None or PARTS["deformation"][deformation.name].reads is not FramesCode:
        return
    for part in ("encoder_temporal", "posterior_temporal"):
        component = getattr(config.model, part)
        if component is not None:
            raise ValueError(
                f"model.deformation '{deformation.name}' has no use for model.{part} "
                f"'{component.name}'; set it to null"
            )


def check_inputs(config: Config) -> None:
    """Every network must be able to read what is observed."""
    data = config.data
    if data.observed_frames > data.num_frames:
        raise ValueError(
            f"data.num_input_frames is {data.num_input_frames}, but windows have "
            f"{data.num_frames} frames; lower it, or set it to null for all of them"
        )
    if data.input_frames == "random" and data.num_input_frames is None:
        raise ValueError("data.input_frames is random, but all are observed; set num_input_frames")
    _check_evidence(config)
    if config.model.method == "nearest_neighbour" and not (
        data.input == "pointcloud" and data.input_frames == "even"
    ):
        raise ValueError(
            "nearest_neighbour matches the first to the last cloud; set data.input to pointcloud "
            "and data.input_frames to even"
        )
    for part in ("encoder", "encoder_temporal", "posterior", "posterior_temporal", "deformation"):
        component = getattr(config.model, part)
        if component is None:
            continue
        sees_motion = part not in ("encoder", "posterior")
        problem = _unreadable(PARTS[part][component.name], data, sees_motion)
        if problem is not None:
            able = [
                name
                for name, network in PARTS[part].items()
                if _unreadable(network, data, sees_motion) is None
            ]
            choice = f"choose one of: {', '.join(able)}" if able else "no network there can do that"
            raise ValueError(f"model.{part} '{component.name}' {problem}; {choice}")


def _check_evidence(config: Config) -> None:
    """Several clouds can show the shape only where there are clouds, carried by a flow."""
    parts, data = config.model, config.data
    if parts.evidence_frames == 1:
        return
    if parts.method != "occupancy_flow" or parts.encoder is None or data.input != "pointcloud":
        raise ValueError(
            f"model.evidence_frames is {parts.evidence_frames}, but only an occupancy_flow with an "
            "encoder carries observed clouds to t = 0; set it to 1"
        )
    if parts.evidence_frames > data.observed_frames:
        raise ValueError(
            f"model.evidence_frames is {parts.evidence_frames}, but {data.observed_frames} frames "
            "are observed; lower it"
        )


def _unreadable(network: Any, data: DataConfig, sees_motion: bool) -> str | None:
    """Why a network cannot read what is observed; None if it can."""
    if network.input_kind not in (None, data.input):
        return f"reads {network.input_kind}, but data.input is {data.input or 'null'}"
    if not sees_motion:
        return None
    if network.needs_corresponding_points and not data.input_pointcloud_corresponding:
        return (
            "needs point i to be the same particle in every frame, but "
            "data.input_pointcloud_corresponding is false"
        )
    if data.input_frames == "random" and not network.sees_times:
        return "does not see the times of the frames, but data.input_frames is random"
    return None


def check_codes(config: Config) -> None:
    """Every decoder, velocity field and deformation must get the kind of code that it reads."""
    decoder_source = "encoder_temporal" if config.model.method == "onet4d" else "encoder"
    sources = {
        "decoder": decoder_source,
        "velocity_field": "encoder_temporal",
        "deformation": "encoder_temporal",
    }
    for part, source in sources.items():
        component, encoder = getattr(config.model, part), getattr(config.model, source)
        if component is None:
            continue
        wanted = PARTS[part][component.name].reads
        if wanted is FramesCode or issubclass(_gives(source, encoder), wanted):
            continue
        able = [name for name, kind in PARTS[source].items() if issubclass(kind.gives, wanted)]
        raise ValueError(
            f"model.{part} '{component.name}' needs codes that model.{source} {_name(encoder)} "
            f"does not give; set model.{source} to one of: {', '.join(able)}"
        )


def _gives(source: str, component: ComponentConfig | None) -> type[Code]:
    return Code if component is None else PARTS[source][component.name].gives


def _name(component: ComponentConfig | None) -> str:
    return "null" if component is None else f"'{component.name}'"
