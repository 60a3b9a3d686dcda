"""The same weights in every run, or an error that says why not."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from im2mesh.errors import UserError

REFUSAL = "does not have a deterministic implementation"
CUBLAS_VARIABLE, CUBLAS_VALUES = "CUBLAS_WORKSPACE_CONFIG", (":4096:8", ":16:8")


@contextmanager
def deterministic_operations(enabled: bool, device: torch.device) -> Iterator[None]:
    """Allow only operations that round alike in every run; the old settings are put back.

    Raises:
        UserError: If an operation has no deterministic form on the device, or a GPU lacks the
            environment variable that it needs.
    """
    if not enabled:
        yield
        return
    if device.type == "cuda" and os.environ.get(CUBLAS_VARIABLE) not in CUBLAS_VALUES:
        raise UserError(
            f"training.deterministic on a GPU needs the environment variable {CUBLAS_VARIABLE}="
            f"{CUBLAS_VALUES[0]} before the start, or set training.deterministic to false"
        )
    before = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    try:
        yield
    except RuntimeError as error:
        if REFUSAL not in str(error):
            raise
        operation = str(error).split(REFUSAL)[0].strip()
        raise UserError(
            f"{operation} gives other results in every run on {device.type}; set "
            "training.deterministic to false, or train on the CPU"
        ) from error
    finally:
        torch.use_deterministic_algorithms(before[0])
        torch.backends.cudnn.benchmark = before[1]
