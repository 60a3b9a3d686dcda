"""Explanations for a device that runs out of memory."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from im2mesh.errors import UserError

CPU_FAILURE = "can't allocate memory"  # torch raises a plain RuntimeError on the CPU


class OutOfMemoryError(UserError):
    """A device has too little memory. The message says what to lower."""


@contextmanager
def explain_out_of_memory(advice: str) -> Iterator[None]:
    """Turn torch's error into one that says what to lower.

    Raises:
        OutOfMemoryError: With the device's own words on how much memory was asked for.
    """
    try:
        yield
    except (torch.OutOfMemoryError, RuntimeError) as error:
        is_on_gpu = isinstance(error, torch.OutOfMemoryError)
        if not (is_on_gpu or CPU_FAILURE in str(error)):
            raise
        device = "the GPU" if is_on_gpu else "the CPU"
        details = str(error).split(". ")[:2]
        raise OutOfMemoryError(
            f"{device} has too little memory: {advice} ({'. '.join(details)})"
        ) from error
