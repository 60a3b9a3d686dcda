"""State dicts of the authors' released code -> ours. Nothing else depends on this file."""

import re

from torch import Tensor

RENAMINGS = (
    (r"^vector_field\.", "flow.velocity_field."),
    (r"^encoder\.", "encoder_spatial."),
    (r"^(decoder\.)block(\d+)\.", r"\1blocks.\2."),
    (r"^(encoder_\w+\.)block_(\d+)\.", r"\1layers.\2."),
    (r"\.bn_(\d)\.", r".norm_\1."),
    (r"^decoder\.bn\.", "decoder.norm."),
    (r"\.(conv|fc)_(gamma|beta)\.", r".\2."),
    (r"\.bn\.(running_|num_)", r".norm.\1"),
)


def rename_official_state(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename the keys of an official state dict and turn 1x1 convolutions into linear layers."""
    return {official_to_ours(key): _as_linear(key, value) for key, value in state.items()}


def official_to_ours(key: str) -> str:
    for pattern, replacement in RENAMINGS:
        key = re.sub(pattern, replacement, key)
    return key


def _as_linear(key: str, value: Tensor) -> Tensor:
    is_convolution = key.endswith("weight") and value.ndim == 3
    return value.squeeze(-1) if is_convolution else value
