"""What to change in a config so that it describes the model of an official state dict."""

import re
from collections.abc import Iterator, Mapping

from torch import Tensor

from im2mesh.compat.names import rename_official_state

SIZES = (
    ("model.code_size", "encoder_spatial.fc_c.weight", 0, 1.0),
    ("model.code_size", "encoder_temporal.fc_c.weight", 0, 1.0),
    ("model.code_size", "encoder_temporal.stream.fc_c.weight", 0, 2.0),
    ("model.latent_size", "posterior.fc_mean.weight", 0, 1.0),
    ("model.latent_size", "posterior_temporal.fc_mean.weight", 0, 1.0),
    ("model.encoder.hidden_size", "encoder_spatial.fc_c.weight", 1, 1.0),
    ("model.encoder_temporal.hidden_size", "encoder_temporal.fc_c.weight", 1, 1.0),
    ("model.encoder_temporal.hidden_size", "encoder_temporal.stream.fc_c.weight", 1, 1.0),
    ("model.posterior.hidden_size", "posterior.fc_mean.weight", 1, 1.0),
    ("model.posterior_temporal.hidden_size", "posterior_temporal.fc_mean.weight", 1, 1.0),
    ("model.decoder.hidden_size", "decoder.fc_p.weight", 0, 1.0),
    ("model.velocity_field.hidden_size", "flow.velocity_field.fc_p.weight", 0, 1.0),
    ("model.trajectory_decoder.hidden_size", "trajectory_decoder.fc_0.weight", 0, 1.0),
    ("data.num_frames", "encoder_temporal.fc_pos.weight", 1, 1 / 3),
    ("data.num_frames", "posterior_temporal.fc_pos.weight", 1, 1 / 3),
)
"""Key of a config, the parameter whose shape gives its value, the axis of the shape, a factor."""

BLOCKS = {
    "model.encoder.num_blocks": r"encoder_spatial\.layers\.\d+\.",
    "model.encoder_temporal.num_blocks": r"encoder_temporal\.(?:stream\.)?layers\.\d+\.",
    "model.posterior.num_blocks": r"posterior\.layers\.\d+\.",
    "model.posterior_temporal.num_blocks": r"posterior_temporal\.layers\.\d+\.",
    "model.decoder.num_blocks": r"decoder\.blocks\.\d+\.",
    "model.velocity_field.num_blocks": r"flow\.velocity_field\.blocks\.\d+\.",
}
"""Key of a config -> pattern; the key counts the different matches in the parameters' names."""

OTHER_KEYS = {"encoder_spatial": "model.encoder", "flow": "model.velocity_field"}


def what_to_change(state: Mapping[str, Tensor], expected: Mapping[str, Tensor], method: str) -> str:
    """One sentence on what to change, for an official state dict that does not fit the model."""
    actual_method = _guess_method(state)
    if actual_method not in (None, method):
        return (
            f"the file is of method {actual_method}; use a config with model.method "
            f"{actual_method} instead of {method}"
        )
    ours = rename_official_state(state, method)
    advisers = (_networks, _kinds, _sizes, _block_counts)
    changes = [change for adviser in advisers for change in adviser(ours, expected)]
    if changes:
        return f"in the config, {'; '.join(dict.fromkeys(changes))}"
    return (
        "use the config of the experiment that the file is from; if this is the one, the file was "
        "changed or is damaged"
    )


def _guess_method(state: Mapping[str, Tensor]) -> str | None:
    networks = {key.split(".")[0] for key in state}
    if "vector_field" in networks:
        return "occupancy_flow"
    if {"encoder_temporal", "decoder"} <= networks:
        return "onet4d"
    return "psgn4d" if "decoder.fc_0.weight" in state else None


def _networks(ours: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> Iterator[str]:
    in_file, in_config = ({name.split(".")[0] for name in names} for names in (ours, expected))
    for network in sorted(in_file - in_config):
        yield f"add {_config_key(network)}"
    for network in sorted(in_config - in_file):
        yield f"set {_config_key(network)} to null"


def _kinds(ours: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> Iterator[str]:
    """Advice for networks that share less than half of their parameter names."""
    in_file, in_config = _layers(ours), _layers(expected)
    for network in sorted(in_file.keys() & in_config.keys()):
        one, other = in_file[network], in_config[network]
        if 2 * len(one & other) < len(one | other):
            yield f"choose another network for {_config_key(network)}"


def _layers(names: Mapping[str, Tensor]) -> dict[str, set[str]]:
    """Name of a network -> names of its parameters, without the numbers of blocks."""
    found: dict[str, set[str]] = {}
    for name in names:
        network, _, rest = name.partition(".")
        found.setdefault(network, set()).add(re.sub(r"\.\d+\.", ".", rest))
    return found


def _config_key(network: str) -> str:
    return OTHER_KEYS.get(network, f"model.{network}")


def _sizes(ours: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> Iterator[str]:
    for key, name, axis, factor in SIZES:
        if name in ours and name in expected and ours[name].ndim == expected[name].ndim:
            in_file, in_config = (round(x[name].shape[axis] * factor) for x in (ours, expected))
            if in_file != in_config:
                yield f"set {key} to {in_file} (it is {in_config})"


def _block_counts(ours: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> Iterator[str]:
    for key, pattern in BLOCKS.items():
        in_file, in_config = (_count(pattern, names) for names in (ours, expected))
        if in_file and in_config and in_file != in_config:
            yield f"set {key} to {in_file} (it is {in_config})"


def _count(pattern: str, names: Mapping[str, Tensor]) -> int:
    """Number of different matches at the beginning of the names."""
    return len({match[0] for name in names if (match := re.match(pattern, name))})
