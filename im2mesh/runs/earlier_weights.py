"""Weights of earlier versions, filled up with layers that came later."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

_FIRST, _SIGHT, _OF_PIXELS = (
    "network.conv_in.weight",
    "network.conv_sight.weight",
    "to_map.0.weight",
)

_NUM_SIGHTS = 4  # of the version that brought them


def with_later_layers(weights: Mapping[str, Any]) -> dict[str, Any]:
    """The weights of a model, and zeros for what is added where they lack it.

    Encoders `image_pixels` were not told where pixels look; with weights of 0 they still are not,
    and answer as they did.
    """
    added = {}
    for name, first in weights.items():
        encoder = name.removesuffix(_FIRST)
        is_of_pixels = encoder != name and encoder + _OF_PIXELS in weights
        is_layer = isinstance(first, Tensor) and first.dim() == 4  # a file may hold anything
        if is_of_pixels and is_layer and encoder + _SIGHT not in weights:
            width, _, *kernel = first.shape
            added[encoder + _SIGHT] = torch.zeros(width, _NUM_SIGHTS, *kernel, dtype=first.dtype)
    return {**weights, **added}
