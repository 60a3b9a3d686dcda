"""State dicts of the authors' released code -> ours; needed to import their checkpoints only."""

import re
from collections.abc import Mapping

from torch import Tensor

RENAMINGS = (
    (r"^vector_field\.", "flow.velocity_field."),
    (r"^encoder_latent_temporal\.", "posterior_temporal."),
    (r"^encoder_latent\.", "posterior."),
    (r"^(posterior\w*\.)blocks\.", r"\1layers."),
    (r"^encoder\.", "encoder_spatial."),
    (r"^encoder_temporal\.resnet_pointnet\.", "encoder_temporal.stream."),
    (r"^(decoder\.)block(\d+)\.", r"\1blocks.\2."),
    (r"^(encoder_\w+\.(?:stream\.)?)block_(\d+)\.", r"\1layers.\2."),
    (r"\.bn_(\d)\.", r".norm_\1."),
    (r"^decoder\.bn\.", "decoder.norm."),
    (r"\.(conv|fc)_(gamma|beta)\.", r".\2."),
    (r"\.bn\.(running_|num_)", r".norm.\1"),
)
PSGN4D_RENAMINGS = (  # there, the encoder of all frames is called encoder
    (r"^encoder\.", "encoder_temporal."),
    (r"^decoder\.", "trajectory_decoder."),
)


def rename_official_state(
    state: Mapping[str, Tensor], method: str = "occupancy_flow"
) -> dict[str, Tensor]:
    """Rename the keys of an official state dict and turn 1x1 convolutions into linear layers."""
    return {official_to_ours(key, method): _as_linear(key, value) for key, value in state.items()}


def official_to_ours(key: str, method: str = "occupancy_flow") -> str:
    """Our name of an official parameter or buffer.

    Args:
        method: Key `model.method` of our configuration.
    """
    for pattern, replacement in (PSGN4D_RENAMINGS if method == "psgn4d" else ()) + RENAMINGS:
        key = re.sub(pattern, replacement, key)
    return key


def _as_linear(key: str, value: Tensor) -> Tensor:
    is_convolution = key.endswith("weight") and value.ndim == 3
    return value.squeeze(-1) if is_convolution else value
