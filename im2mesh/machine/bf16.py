"""Whether a device computes in bf16, and whether that pays."""

import statistics
import time
from itertools import pairwise

import torch
from torch import Tensor

POINTS, WIDTH, LAYERS = 4096, 128, 2
"""Sizes of the network that is timed: small layers over many points, as in a small training."""
REPEATS = 5


def has_bf16_units(device: torch.device) -> bool:
    """Whether a device may have instructions for bf16. PyTorch computes in bf16 on every device,
    but without such instructions it takes several times as long as in fp32."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0) or torch.version.hip is not None
    try:
        return torch.ops.mkldnn._is_mkldnn_bf16_supported()
    except (AttributeError, RuntimeError):  # a build of PyTorch without oneDNN, as on macOS
        return False


def bf16_speedup(device: torch.device) -> float:
    """Measure how many times as fast as in fp32 a small network takes a training step in bf16.

    Takes some milliseconds, or about a second where bf16 is emulated. Draws no random number of
    the global generators.
    """
    draws = torch.Generator().manual_seed(0)
    points = torch.rand(POINTS, WIDTH, generator=draws).to(device)
    weights = [torch.rand(WIDTH, WIDTH, generator=draws) / WIDTH for _ in range(LAYERS)]
    weights = [weight.to(device).requires_grad_() for weight in weights]
    return _seconds(points, weights, bf16=False) / _seconds(points, weights, bf16=True)


def _seconds(points: Tensor, weights: list[Tensor], *, bf16: bool) -> float:
    """Median seconds of a step, after one that does not count."""
    moments = []
    for _ in range(REPEATS + 2):
        moments.append(time.perf_counter())
        with torch.autocast(points.device.type, torch.bfloat16, enabled=bf16):
            x = points
            for weight in weights:
                x = torch.relu(x @ weight)
        # reading the value waits for a GPU
        torch.autograd.grad(x.float().mean(), weights)[0].sum().item()
    return statistics.median([end - start for start, end in pairwise(moments)][1:])
