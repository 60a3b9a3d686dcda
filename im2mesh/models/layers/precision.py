"""How matrix products are rounded, and how to prevent it where the answer would change."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch


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
