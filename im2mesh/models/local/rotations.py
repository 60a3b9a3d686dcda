"""Rotation vectors -> matrices, in any precision and without a product of matrices."""

import torch
from jaxtyping import Float
from torch import Tensor


def rotation_matrices(turn: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    """Rotations about the direction of each vector, by its length in radians (Rodrigues)."""
    angle = (turn.square().sum(-1) + 1e-12).sqrt()[..., None, None]  # sqrt has no slope at 0
    x, y, z = turn.unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).unflatten(-1, (3, 3))
    # K^2 = r r^T - |r|^2 I, element by element: matrix products would be rounded under bf16
    identity = torch.eye(3, dtype=turn.dtype, device=turn.device)
    square = turn.unsqueeze(-1) * turn.unsqueeze(-2)
    square = square - turn.square().sum(-1)[..., None, None] * identity
    sine = torch.sinc(angle / torch.pi)  # sin(a) / a
    cosine = torch.sinc(angle / (2 * torch.pi)).square() / 2  # (1 - cos(a)) / a^2
    return identity + sine * cross + cosine * square
