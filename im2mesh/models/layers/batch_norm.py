"""Batch norm with the statistics of the whole batch, where several processes share a batch."""

from typing import Any, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


class SynchronizedBatchNorm(_BatchNorm):
    """nn.BatchNorm1d, 2d or 3d, with statistics over the parts of the batch in all processes.

    torch.nn.SyncBatchNorm does the same on GPUs only; this class also runs, and is tested, on CPUs.
    All processes must have equally many values.
    """

    def _check_input_dim(self, input: Tensor) -> None:
        if input.ndim < 2:
            raise ValueError(f"expected [B, C, ...], got {list(input.shape)}")

    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        if not self.training:
            return super().forward(input)
        values = input.float()
        others = [dim for dim in range(values.ndim) if dim != 1]
        per_channel = (1, -1, *[1] * (values.ndim - 2))
        mean = _average(values.mean(others))
        centered = values - mean.view(per_channel)
        variance = _average(centered.square().mean(others))
        self._update_statistics(mean.detach(), variance.detach(), values.numel() // len(mean))
        normalized = centered * torch.rsqrt(variance + self.eps).view(per_channel)
        if self.affine:
            normalized = normalized * self.weight.view(per_channel) + self.bias.view(per_channel)
        return normalized.to(input.dtype)

    @torch.no_grad()
    def _update_statistics(self, mean: Tensor, variance: Tensor, count: int) -> None:
        """Update the running mean and the unbiased running variance, as nn.BatchNorm does."""
        assert self.running_mean is not None and self.running_var is not None
        assert self.num_batches_tracked is not None and self.momentum is not None
        total = count * dist.get_world_size()
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance * (total / (total - 1)), self.momentum)
        self.num_batches_tracked.add_(1)


def synchronize_batch_norm(module: nn.Module) -> None:
    """Replace every batch norm below a module, in place; names, weights and statistics stay."""
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d):
            setattr(module, name, _synchronized(child))
        else:
            synchronize_batch_norm(child)


def _synchronized(norm: _BatchNorm) -> SynchronizedBatchNorm:
    replacement = SynchronizedBatchNorm(
        norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats
    )
    replacement.load_state_dict(norm.state_dict())
    device = next(iter(norm.state_dict().values())).device
    return replacement.to(device).train(norm.training)


def _average(values: Tensor) -> Tensor:
    """Average over all processes; gradients flow to all of them."""
    return cast(Tensor, _SumOverProcesses.apply(values)) / dist.get_world_size()


class _SumOverProcesses(torch.autograd.Function):
    """The sum over processes. All their losses depend on it, so backward sums their gradients."""

    @staticmethod
    def forward(_context: Any, values: Tensor) -> Tensor:
        total = values.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(_context: Any, gradient: Tensor) -> Tensor:
        total = gradient.clone()
        dist.all_reduce(total)
        return total
