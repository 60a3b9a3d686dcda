"""Names of parameters in the authors' code <-> ours, and their shapes."""

import re
from collections.abc import Mapping, Sequence

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
RENAMED_FIRST = {  # by method: psgn4d calls the encoder of all frames encoder
    "psgn4d": ((r"^encoder\.", "encoder_temporal."), (r"^decoder\.", "trajectory_decoder."))
}
BACKWARD_RENAMINGS = (  # ours to official; only messages need it
    (r"\.norm\.(running_|num_)", r".bn.\1"),
    (r"\.(gamma|beta)\.", r".conv_\1."),
    (r"^decoder\.norm\.", "decoder.bn."),
    (r"\.norm_(\d)\.", r".bn_\1."),
    (r"^(encoder_\w+\.(?:stream\.)?)layers\.(\d+)\.", r"\1block_\2."),
    (r"^(decoder\.)blocks\.(\d+)\.", r"\1block\2."),
    (r"^encoder_temporal\.stream\.", "encoder_temporal.resnet_pointnet."),
    (r"^encoder_spatial\.", "encoder."),
    (r"^(posterior\w*\.)layers\.", r"\1blocks."),
    (r"^posterior\.", "encoder_latent."),
    (r"^posterior_temporal\.", "encoder_latent_temporal."),
    (r"^flow\.velocity_field\.", "vector_field."),
)
RENAMED_LAST_BACKWARD = {
    "psgn4d": ((r"^encoder_temporal\.", "encoder."), (r"^trajectory_decoder\.", "decoder."))
}


def rename_official_state(
    state: Mapping[str, Tensor], method: str = "occupancy_flow"
) -> dict[str, Tensor]:
    """Rename the keys of an official state dict and turn 1x1 convolutions into linear layers."""
    return {official_to_ours(key, method): as_linear(key, value) for key, value in state.items()}


def official_to_ours(key: str, method: str = "occupancy_flow") -> str:
    """Our name of an official parameter or buffer; `method` is `model.method` of our config."""
    return _rename(key, (*RENAMED_FIRST.get(method, ()), *RENAMINGS))


def ours_to_official(name: str, method: str = "occupancy_flow") -> str:
    """The official name of our parameter or buffer, as in the point cloud experiments."""
    return _rename(name, (*BACKWARD_RENAMINGS, *RENAMED_LAST_BACKWARD.get(method, ())))


def as_linear(key: str, value: Tensor) -> Tensor:
    """Turn the weights [out, in, 1] of a 1x1 convolution into those of a linear layer [out, in]."""
    is_convolution = key.endswith("weight") and value.ndim == 3
    return value.squeeze(-1) if is_convolution else value


def _rename(name: str, renamings: Sequence[tuple[str, str]]) -> str:
    for pattern, replacement in renamings:
        name = re.sub(pattern, replacement, name)
    return name
