"""Checks of the times that a carrier, flow or deformation, is asked about."""

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor


def check_times(times: Float[Tensor, "T"], name: str = "times") -> None:
    """Refuse times that do not start at 0, do not increase strictly, or exceed 1.

    Raises:
        ValueError: If the times are wrong; the message calls them `name`.
    """
    values = times.tolist()
    increasing = all(a < b for a, b in pairwise(values))
    if not values or values[0] != 0 or not increasing:
        raise ValueError(f"{name} must start at 0 and increase strictly, got {values}")
    if values[-1] > 1:
        raise ValueError(f"{name} must end at 1 at the latest, got {values[-1]}")


def stops_on_the_way_back(
    t: Float[Tensor, "B"], fractions: Float[Tensor, "S"] | None
) -> Float[Tensor, "S"]:
    """Check the stops between each sequence's t and 0, as fractions of t; None gives (1, 0).

    Times on a GPU are taken as they are.

    Raises:
        ValueError: If t leaves [0, 1], or fractions do not decrease strictly from 1, or leave
            [0, 1].
    """
    values = t.tolist() if t.device.type == "cpu" else []  # the host waits for no GPU
    if not all(0 <= value <= 1 for value in values):
        raise ValueError(f"t must lie in [0, 1], got {values}")
    if fractions is None:
        return torch.linspace(1, 0, 2, dtype=t.dtype)
    check_times(1 - fractions, "1 - fractions")
    return fractions
