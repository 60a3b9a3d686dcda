"""How matrix products are rounded, and how to prevent it where the answer would change."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor


@contextmanager
def products_in(precision: Literal["highest", "high"]) -> Iterator[None]:
    """Compute products of fp32 matrices in fp32 ("highest") or, on a GPU, in tf32 ("high").

    The setting is global, so it is restored at the end.
    """
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


@contextmanager
def full_precision(device_type: str) -> Iterator[None]:
    """Switch off autocast and tf32."""
    with products_in("highest"), torch.autocast(device_type, enabled=False):
        yield


@torch.library.custom_op("im2mesh::full_precision_linear", mutates_args=())
def full_precision_linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """A linear layer in full precision, as one operation: torch.compile, which cannot switch the
    precision in the middle of a function, calls it as it is."""
    with full_precision(x.device.type):
        return F.linear(x.to(weight.dtype), weight, bias)


@full_precision_linear.register_fake
def _(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return weight.new_empty(*x.shape[:-1], len(weight))


def _keep(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor], output: Tensor) -> None:
    ctx.save_for_backward(*inputs[:2])


def _backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    x, weight = ctx.saved_tensors
    rows = gradient.flatten(0, -2)
    # a compiler writes the backward pass under the autocast of the forward pass
    with torch.autocast(gradient.device.type, enabled=False):
        of_weight = rows.T @ x.flatten(0, -2).to(rows.dtype)
        return (gradient @ weight).to(x.dtype), of_weight, rows.sum(0)


full_precision_linear.register_autograd(_backward, setup_context=_keep)
