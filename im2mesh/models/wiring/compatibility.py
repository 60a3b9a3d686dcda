"""Checks that the parts, observations and codes of a configuration go together."""

from collections.abc import Iterator
from typing import Any

from im2mesh.config.schema import Config, DataConfig
from im2mesh.config.sections import ComponentConfig
from im2mesh.models.code import Code, FramesCode
from im2mesh.models.local.codes import MovingCode
from im2mesh.models.sequence_model import SequenceModel
from im2mesh.models.wiring.parts import METHODS, PARTS

OBSERVERS = ("encoder", "encoder_temporal", "posterior", "posterior_temporal", "deformation")
"""Parts that look at observed frames."""
FIRST_FRAME_OBSERVERS = ("encoder", "posterior")
"""Observers that see a single frame at a time: the first frame, or each on its own."""
CARRIERS = ("velocity_field", "deformation")
"""Parts that can carry points; a model has one of them at most."""
CLOUD_SETTINGS = ("input_outliers", "input_hole", "input_cameras", "input_variety")
"""Keys of section `data` that corrupt observed clouds, and affect nothing else."""


def check_parts(config: Config) -> None:
    """Refuse parts, observations and codes that do not go together.

    Raises:
        ValueError: If some do not; names the key, and what to choose instead.
    """
    method = METHODS[config.model.method]
    _check_presence(config, method)
    if method.carries_points:
        _check_carrier(config)
    _check_observation(config)
    _check_evidence(config, method)
    method.check_data(config.data)
    _check_readable(config)
    _check_codes(config, method)


def check_sizes(model: SequenceModel, data: DataConfig) -> None:
    """Refuse clouds with fewer points, and images with fewer pixels, than a part needs.

    Raises:
        ValueError: If a part needs more; names the part and the keys.
    """
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


def _check_presence(config: Config, method: type[SequenceModel]) -> None:
    """Refuse a missing part that the method needs, and a part that it would silently ignore."""
    carriers = CARRIERS if method.carries_points else ()
    for part in PARTS:
        component = getattr(config.model, part)
        if component is None and part in method.needs:
            names = ", ".join(PARTS[part])
            raise ValueError(f"{method.method} needs model.{part}; choose one of: {names}")
        if component is not None and part not in {*method.needs, *method.may_have, *carriers}:
            raise ValueError(
                f"{method.method} has no use for model.{part} '{component.name}'; set it to null"
            )


def _check_carrier(config: Config) -> None:
    """Require exactly one part that carries points, and no encoder that this part ignores."""
    field, deformation = config.model.velocity_field, config.model.deformation
    if field is None and deformation is None:
        raise ValueError(
            f"{config.model.method} needs model.velocity_field or model.deformation; choose a "
            f"velocity field of: {', '.join(PARTS['velocity_field'])}; or a deformation of: "
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


def _check_observation(config: Config) -> None:
    """Refuse more observed frames than a window has, and corruptions of clouds without clouds."""
    data = config.data
    if data.observed_frames > data.num_frames:
        raise ValueError(
            f"data.num_input_frames is {data.num_input_frames}, but windows have "
            f"{data.num_frames} frames; lower it, or set it to null for all of them"
        )
    if data.input_frames == "random" and data.num_input_frames is None:
        raise ValueError(
            "data.input_frames is random, but all frames are observed; set data.num_input_frames"
        )
    if data.view_cameras and data.input != "images":
        raise ValueError(
            f"data.view_cameras is true, but data.input is {data.input or 'null'}; set "
            "data.view_cameras to false"
        )
    if data.view_cameras and not METHODS[config.model.method].sees_from_cameras:
        raise ValueError(
            f"data.view_cameras is true, but {config.model.method} does not look at cameras; set "
            "it to false"
        )
    if data.augment and data.input is None:
        raise ValueError(
            "data.augment turns and mirrors what a model observes, but data.input is null; set "
            "data.augment to false"
        )
    if data.augment and data.input == "images" and not data.view_cameras:
        raise ValueError(
            "data.augment mirrors images, and positions with them, so it must know the cameras; "
            "set data.view_cameras to true, or data.augment to false"
        )
    check_clouds(data)
    for key in CLOUD_SETTINGS:
        value = getattr(data, key)
        if value and data.input != "pointcloud":
            raise ValueError(
                f"data.{key} is {value:g}, which spoils clouds, but data.input is "
                f"{data.input or 'null'}; set data.{key} to 0"
            )


def check_clouds(data: DataConfig) -> None:
    """Refuse what the clouds of depth cameras are not.

    Raises:
        ValueError: Naming the key, and what to set.
    """
    if data.input_folder != "depth_seq":
        return
    if data.input != "pointcloud":
        problem = f"data.input is {data.input or 'null'}; set data.input_folder to pcl_seq"
    elif data.input_pointcloud_corresponding:
        problem = (
            "a depth camera sees other points in every frame; set "
            "data.input_pointcloud_corresponding to false"
        )
    else:
        return
    raise ValueError(f"data.input_folder is depth_seq, but {problem}")


def _check_evidence(config: Config, method: type[SequenceModel]) -> None:
    """Refuse several evidence frames unless an encoder reads clouds that a carrier can move."""
    parts, data = config.model, config.data
    if parts.evidence_frames == 1:
        return
    if not method.carries_points:
        problem = f"{parts.method} carries no observed clouds to t = 0; set it to 1"
    elif parts.encoder is None:
        problem = "there is no encoder to show them to; set it to 1, or set model.encoder"
    elif PARTS["encoder"][parts.encoder.name].sees_all_frames:
        problem = f"model.encoder '{parts.encoder.name}' sees all frames; set it to 1"
    elif data.input != "pointcloud":
        problem = f"only clouds can be carried to t = 0, and data.input is {data.input or 'null'}"
        problem += "; set it to 1"
    elif parts.evidence_frames > data.observed_frames:
        problem = f"{data.observed_frames} frames are observed; lower it"
    else:
        return
    raise ValueError(f"model.evidence_frames is {parts.evidence_frames}, but {problem}")


def _check_readable(config: Config) -> None:
    """Require that every network can read what is observed."""
    for part in OBSERVERS:
        component = getattr(config.model, part)
        if component is None:
            continue
        problem = _unreadable(PARTS[part][component.name], config, part)
        if problem is not None:
            able = _fitting(config, part) or _readable(config, part)
            choice = f"choose one of: {', '.join(able)}" if able else "no network of this kind fits"
            raise ValueError(f"model.{part} '{component.name}' {problem}; {choice}")


def _readable(config: Config, part: str) -> list[str]:
    """Names of a part's networks that can read what is observed."""
    return [
        name for name, network in PARTS[part].items() if _unreadable(network, config, part) is None
    ]


def _fitting(config: Config, part: str) -> list[str]:
    """Names of a part's networks that can read it, and give the codes that other parts need."""
    wanted = [kind for _, kind in _readers(config, part)]
    return [
        name
        for name in _readable(config, part)
        if all(issubclass(PARTS[part][name].gives, kind) for kind in wanted)
    ]


def _unreadable(network: Any, config: Config, part: str) -> str | None:
    """Why a network cannot read what is observed; None if it can."""
    data, method = config.data, METHODS[config.model.method]
    if network.input_kind not in (None, data.input):
        return f"reads {network.input_kind}, but data.input is {data.input or 'null'}"
    if getattr(network, "needs_view_cameras", False) and not data.view_cameras:
        return "needs the cameras of the images, but data.view_cameras is false"
    if getattr(network, "sees_all_frames", False):  # an encoder
        if part != "encoder":
            return "gives the shape at t = 0, and no motion"
        if not method.carries_points:
            return f"sees all frames, and {method.method} shows it one at a time"
    elif part in FIRST_FRAME_OBSERVERS:
        needs_more = network.needs_several_frames
        return "compares frames, but sees a single one" if needs_more else None
    if network.needs_corresponding_points and not data.input_pointcloud_corresponding:
        return (
            "needs point i to be the same particle in every frame, but "
            "data.input_pointcloud_corresponding is false"
        )
    if data.input_frames == "random" and not network.sees_times:
        return "does not see the times of the frames, but data.input_frames is random"
    return None


def _check_codes(config: Config, method: type[SequenceModel]) -> None:
    """Require that decoders, velocity fields and deformations get the kind of code they read."""
    for source in ("encoder", "encoder_temporal"):
        encoder = getattr(config.model, source)
        for part, wanted in _readers(config, source):
            name = f"model.{part} '{getattr(config.model, part).name}'"
            if part == "decoder" and method.decoder_dimensions != 3 and wanted is not Code:
                able = [other for other, decoder in PARTS[part].items() if decoder.reads is Code]
                raise ValueError(
                    f"{name} answers for points of one time, but {method.method} asks it for "
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
    sources = {
        "decoder": METHODS[config.model.method].decoder_reads,
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
