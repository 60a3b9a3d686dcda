"""What does not go together in a configuration, said before anything is built."""

from collections.abc import Iterator
from typing import Any

from im2mesh.config import ComponentConfig, Config, DataConfig
from im2mesh.models.code import Code, FramesCode, MovingCode
from im2mesh.models.parts import NEEDED, OPTIONAL, PARTS

OBSERVERS = ("encoder", "encoder_temporal", "posterior", "posterior_temporal", "deformation")
"""Parts that look at observed frames."""
FIRST_FRAME_OBSERVERS = ("encoder", "posterior")
"""Those of them that are shown a single frame: the first, or each on its own."""
CLOUD_SETTINGS = ("input_outliers", "input_hole")
"""Keys of section data that spoil observed clouds, and nothing else."""


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
    for key in CLOUD_SETTINGS:
        value = getattr(data, key)
        if value and data.input != "pointcloud":
            raise ValueError(
                f"data.{key} is {value:g}, which spoils clouds, but data.input is "
                f"{data.input or 'null'}; set data.{key} to 0"
            )
    _check_evidence(config)
    if config.model.method == "nearest_neighbour" and not (
        data.input == "pointcloud" and data.input_frames == "even"
    ):
        raise ValueError(
            "nearest_neighbour matches the first to the last cloud; set data.input to pointcloud "
            "and data.input_frames to even"
        )
    for part in OBSERVERS:
        component = getattr(config.model, part)
        if component is None:
            continue
        problem = _unreadable(PARTS[part][component.name], data, part)
        if problem is not None:
            able = _fitting(config, part) or _readable(config, part)
            choice = f"choose one of: {', '.join(able)}" if able else "no network there can do that"
            raise ValueError(f"model.{part} '{component.name}' {problem}; {choice}")


def _check_evidence(config: Config) -> None:
    """Several clouds can show the shape only where there are clouds, carried by a flow."""
    parts, data = config.model, config.data
    if parts.evidence_frames == 1:
        return
    if parts.method != "occupancy_flow":
        problem = f"{parts.method} carries no observed clouds to t = 0; set it to 1"
    elif parts.encoder is None:
        problem = "there is no encoder to show them to; set it to 1, or set model.encoder"
    elif data.input != "pointcloud":
        problem = f"only clouds can be carried to t = 0, and data.input is {data.input or 'null'}"
        problem += "; set it to 1"
    elif parts.evidence_frames > data.observed_frames:
        problem = f"{data.observed_frames} frames are observed; lower it"
    else:
        return
    raise ValueError(f"model.evidence_frames is {parts.evidence_frames}, but {problem}")


def _readable(config: Config, part: str) -> list[str]:
    """Networks that could stand there and read what is observed."""
    return [
        name
        for name, network in PARTS[part].items()
        if _unreadable(network, config.data, part) is None
    ]


def _fitting(config: Config, part: str) -> list[str]:
    """Those of them that also give the codes that other parts read."""
    wanted = [kind for _, kind in _readers(config, part)]
    return [
        name
        for name in _readable(config, part)
        if all(issubclass(PARTS[part][name].gives, kind) for kind in wanted)
    ]


def _unreadable(network: Any, data: DataConfig, part: str) -> str | None:
    """Why a network cannot read what is observed; None if it can."""
    if network.input_kind not in (None, data.input):
        return f"reads {network.input_kind}, but data.input is {data.input or 'null'}"
    if part in FIRST_FRAME_OBSERVERS:
        needs_more = network.needs_several_frames
        return "compares frames, but is shown one alone" if needs_more else None
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
    for source in ("encoder", "encoder_temporal"):
        encoder = getattr(config.model, source)
        for part, wanted in _readers(config, source):
            name = f"model.{part} '{getattr(config.model, part).name}'"
            if part == "decoder" and config.model.method == "onet4d" and wanted is not Code:
                able = [other for other, decoder in PARTS[part].items() if decoder.reads is Code]
                raise ValueError(
                    f"{name} looks for neighbours in space at one time, but onet4d asks it for "
                    f"points (p, t); choose one of: {', '.join(able)}"
                )
            if not issubclass(_gives(source, encoder), wanted):
                able = _fitting(config, source)
                other = f"choose another model.{part}"
                raise ValueError(
                    f"{name} needs codes that model.{source} {_name(encoder)} does not give; "
                    + (f"set model.{source} to one of: {', '.join(able)}" if able else other)
                )
            if wanted is MovingCode and config.model.posterior_temporal is not None:
                raise ValueError(
                    f"{name} has no use for a latent code; set model.posterior_temporal to null, "
                    f"or choose another model.{part}"
                )
            if wanted is MovingCode and config.data.observed_frames == 1:
                raise ValueError(
                    f"{name} follows observed motion, but one frame is observed; set "
                    f"data.num_input_frames to at least 2, or choose another model.{part}"
                )


def _readers(config: Config, source: str) -> Iterator[tuple[str, type[Code]]]:
    """The parts that get the code of an encoder, and the kind of code that each needs."""
    has_one_code = config.model.method == "onet4d"
    sources = {
        "decoder": "encoder_temporal" if has_one_code else "encoder",
        "velocity_field": "encoder_temporal",
        "deformation": "encoder_temporal",
    }
    for part, its_source in sources.items():
        component = getattr(config.model, part)
        if component is not None and its_source == source:
            reads = PARTS[part][component.name].reads
            if reads is not FramesCode:  # the observation, which comes from no encoder
                yield part, reads


def _gives(source: str, component: ComponentConfig | None) -> type[Code]:
    return Code if component is None else PARTS[source][component.name].gives


def _name(component: ComponentConfig | None) -> str:
    return "null" if component is None else f"'{component.name}'"
