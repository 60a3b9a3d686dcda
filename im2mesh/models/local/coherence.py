"""Which neighbours of a point are of its own part of the body: those that keep their distance."""

import torch
from jaxtyping import Float
from torch import Tensor

LEAST_COHERENCE = 1e-4
"""Weight that every neighbour keeps: a point may have none in its own part of the body."""


def coherence(
    offsets: Float[Tensor, "B N k T 3"], usual: float | Float[Tensor, "B 1 1"]
) -> Float[Tensor, "B N k"]:
    """Weights of sum 1, larger for neighbours that keep their distance from the point.

    Args:
        offsets: From every point to its neighbours, at several times.
        usual: Variance of such a distance over time, within one part of a body.
    """
    lengths = (offsets.square().sum(-1) + 1e-12).sqrt()
    stretch = lengths.var(-1, correction=0)
    weights = torch.exp(-stretch / usual) + LEAST_COHERENCE
    return weights / weights.sum(2, keepdim=True)
