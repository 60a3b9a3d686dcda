"""Codes as a few numbers of comparable size."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

KEPT = 0.9995
"""Share of the variance of a code that its components hold: many units of an encoder are silent."""


class Components(nn.Module):
    """The principal components of two vectors, a shape and a motion code, side by side.

    Each component is divided by the geometric mean of its standard deviation and the largest one of
    its vector. So the largest has a deviation of 1, and what is small stays smaller, but less so.

    Args:
        count: Number of components K of both vectors.
        width: Numbers D of both vectors.
    """

    mean: Float[Tensor, "D"]
    directions: Float[Tensor, "K D"]

    def __init__(self, count: int, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("directions", torch.zeros(count, width))

    @classmethod
    def of(cls, shape: Float[Tensor, "W A"], motion: Float[Tensor, "W B"]) -> "Components":
        """The components of the codes of many windows."""
        directions = torch.block_diag(_scaled_directions(shape), _scaled_directions(motion))
        found = cls(*directions.shape)
        found.mean.copy_(torch.cat([shape.mean(0), motion.mean(0)]))
        found.directions.copy_(directions)
        return found

    def of_codes(self, codes: Float[Tensor, "W D"]) -> Float[Tensor, "W K"]:
        sizes = self.directions.square().sum(1)
        return (codes - self.mean) @ self.directions.T / sizes

    def to_codes(self, components: Float[Tensor, "W K"]) -> Float[Tensor, "W D"]:
        return self.mean + components @ self.directions


def _scaled_directions(codes: Float[Tensor, "W D"]) -> Float[Tensor, "K D"]:
    """Directions that hold nearly all variance; a component of 1 is one step along its row."""
    if codes.shape[1] == 0:
        return codes.new_zeros(0, 0)
    _, spread, directions = torch.linalg.svd((codes - codes.mean(0)).double(), full_matrices=False)
    variance = spread.square() / len(codes)
    held = variance.cumsum(0) - variance  # by the components before each
    kept = held < KEPT * variance.sum()
    deviations = variance[kept].sqrt()
    lengths = (deviations * deviations[:1]).sqrt()
    return (directions[kept] * lengths[:, None]).to(codes)
