"""Layers shared by encoders, decoders and velocity fields."""

from typing import TypeVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from im2mesh.models.layers.precision import full_precision, full_precision_linear

Linear = TypeVar("Linear", bound=nn.Linear)


class ResnetBlockFC(nn.Module):
    """x + fc_1(relu(fc_0(relu(x)))), with a linear shortcut where the width changes.

    Starts as its shortcut: fc_1.weight is 0 (Mescheder et al., Occupancy Networks, CVPR 2019).
    """

    def __init__(self, size_in: int, size_out: int | None = None) -> None:
        super().__init__()
        size_out = size_in if size_out is None else size_out
        size_hidden = min(size_in, size_out)
        self.fc_0 = nn.Linear(size_in, size_hidden)
        self.fc_1 = nn.Linear(size_hidden, size_out)
        self.shortcut = (
            nn.Identity() if size_in == size_out else nn.Linear(size_in, size_out, bias=False)
        )
        nn.init.zeros_(self.fc_1.weight)

    def forward(self, *parts: Float[Tensor, "*_"]) -> Float[Tensor, "*batch E"]:
        """Apply the block to one input [..., D], or to several, joined by `linear_of_joined`."""
        hidden = linear_of_joined(self.fc_0, *(F.relu(part) for part in parts))
        changed = self.fc_1(F.relu(hidden))
        if isinstance(self.shortcut, nn.Identity):
            (x,) = parts  # joined parts would be wider than the result
            return x + changed
        return linear_of_joined(self.shortcut, *parts) + changed


class FullPrecisionLinear(nn.Linear):
    """A linear layer whose forward pass neither autocast nor tf32 rounds.

    It is for positions going in and velocities going out, which are narrow, and for codes, of which
    there is one per sequence: there it costs next to nothing. A position of 0.5 in bf16 may be off
    by 0.001; with these layers in fp32, paths of a bf16 solve are up to ten times as accurate, and
    gradients two to three times (docs/performance.md). Later sums with the result stay in fp32.
    """

    def forward(self, x: Float[Tensor, "*batch D"]) -> Float[Tensor, "*batch E"]:
        if torch.compiler.is_compiling():
            return full_precision_linear(x, self.weight, self.bias)
        with full_precision(x.device.type):
            return F.linear(x.to(self.weight.dtype), self.weight, self.bias)


class FullPrecisionConv(nn.Conv2d):
    """A convolution of positions whose forward pass neither autocast nor tf32 rounds."""

    def forward(self, x: Float[Tensor, "B D H W"]) -> Float[Tensor, "B E H2 W2"]:
        with full_precision(x.device.type):
            return super().forward(x.to(self.weight.dtype))


class ConditionalBatchNorm(nn.Module):
    """gamma(c) * BN(x) + beta(c); BN has no affine part of its own, gamma and beta are linear in c.

    Starts as plain batch norm. Statistics are taken over batch and points together. In evaluation
    they are fixed, so the layer is one scale and one shift per sequence.
    """

    def __init__(self, code_size: int, size: int) -> None:
        super().__init__()
        self.gamma = FullPrecisionLinear(code_size, size)
        self.beta = starting_at_zero(FullPrecisionLinear(code_size, size))
        self.norm = nn.BatchNorm1d(size, affine=False)
        nn.init.zeros_(self.gamma.weight)
        nn.init.ones_(self.gamma.bias)

    def forward(self, x: Float[Tensor, "B N H"], c: Float[Tensor, "B C"]) -> Float[Tensor, "B N H"]:
        gamma, beta = self.gamma(c).unsqueeze(1), self.beta(c).unsqueeze(1)
        if self.training:
            return gamma * self.norm(x.flatten(0, 1)).view_as(x) + beta
        mean, variance = self.norm.running_mean, self.norm.running_var
        assert mean is not None and variance is not None
        scale = gamma * torch.rsqrt(variance + self.norm.eps)
        return torch.addcmul(beta - scale * mean, x, scale)


class ConditionalResnetBlock(nn.Module):
    """x + fc_1(relu(norm_1(fc_0(relu(norm_0(x))))), with conditional batch norm."""

    def __init__(self, code_size: int, size: int) -> None:
        super().__init__()
        self.norm_0 = ConditionalBatchNorm(code_size, size)
        self.norm_1 = ConditionalBatchNorm(code_size, size)
        self.fc_0 = nn.Linear(size, size)
        self.fc_1 = nn.Linear(size, size)
        nn.init.zeros_(self.fc_1.weight)

    def forward(self, x: Float[Tensor, "B N H"], c: Float[Tensor, "B C"]) -> Float[Tensor, "B N H"]:
        hidden = self.fc_0(F.relu(self.norm_0(x, c)))
        return x + self.fc_1(F.relu(self.norm_1(hidden, c)))


def starting_at_zero(layer: Linear) -> Linear:
    """The same layer, whose weight and bias are 0."""
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def linear_of_joined(linear: nn.Linear, *parts: Float[Tensor, "*_"]) -> Float[Tensor, "*batch E"]:
    """Apply a linear layer to parts as if they were joined along their last dimension.

    A part that many points share, such as their maximum, has size 1 in the dimension of the points,
    so its product with the weights is computed once, then added to that of the first part.
    """
    if len(parts) == 1:
        return linear(parts[0])
    weights = linear.weight.split([part.shape[-1] for part in parts], dim=1)
    joined = F.linear(parts[0], weights[0], linear.bias)
    for part, weight in zip(parts[1:], weights[1:], strict=True):
        joined = joined + F.linear(part, weight)
    return joined
