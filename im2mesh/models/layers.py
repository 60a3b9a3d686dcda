"""Layers shared by encoders, decoders and velocity fields."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


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

    def forward(self, x: Float[Tensor, "*batch D"]) -> Float[Tensor, "*batch E"]:
        return self.shortcut(x) + self.fc_1(F.relu(self.fc_0(F.relu(x))))


class ConditionalBatchNorm(nn.Module):
    """gamma(c) * BN(x) + beta(c); BN has no affine part of its own, gamma and beta are linear in c.

    Starts as plain batch norm. Statistics are taken over batch and points together.
    """

    def __init__(self, code_size: int, size: int) -> None:
        super().__init__()
        self.gamma = nn.Linear(code_size, size)
        self.beta = nn.Linear(code_size, size)
        self.norm = nn.BatchNorm1d(size, affine=False)
        nn.init.zeros_(self.gamma.weight)
        nn.init.ones_(self.gamma.bias)
        nn.init.zeros_(self.beta.weight)
        nn.init.zeros_(self.beta.bias)

    def forward(self, x: Float[Tensor, "B N H"], c: Float[Tensor, "B C"]) -> Float[Tensor, "B N H"]:
        normalized = self.norm(x.flatten(0, 1)).view_as(x)
        return self.gamma(c).unsqueeze(1) * normalized + self.beta(c).unsqueeze(1)


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


def append_pooled(x: Float[Tensor, "B N H"]) -> Float[Tensor, "B N H2"]:
    """Give every point the maximum over all points beside its own features."""
    pooled = x.amax(1, keepdim=True).expand_as(x)
    return torch.cat([x, pooled], -1)


def pooled_resnet(blocks: nn.ModuleList, x: Float[Tensor, "B N H2"]) -> Float[Tensor, "B H"]:
    """Residual blocks with the maximum over all points appended between them, then the maximum."""
    for block in blocks[:-1]:
        x = append_pooled(block(x))
    return blocks[-1](x).amax(1)
