"""torch.compile for the networks that are evaluated at many points."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from im2mesh.errors import UserError
from im2mesh.models.decoders import Decoder
from im2mesh.models.flow.velocity_fields import VelocityField


def compile_networks(model: nn.Module) -> list[str]:
    """Compile the velocity field and the decoder of a model, in place; names of weights stay.

    They take most of a step, as many small operations that a compiler can join. Returns the names
    of the networks.
    """
    networks = {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, VelocityField | Decoder)
    }
    for module in networks.values():
        module.compile()
    return list(networks)


@contextmanager
def uncompiled() -> Iterator[None]:
    """Evaluate compiled networks as they were written: for few evaluations, such as those of a
    validation, whose sizes differ, compiling would take longer than it saves."""
    with torch.compiler.set_stance("force_eager"):
        yield


@contextmanager
def explain_missing_compiler() -> Iterator[None]:
    """Name the way out where PyTorch finds no compiler of its own needs.

    Raises:
        UserError: If a network cannot be compiled on this machine.
    """
    try:
        yield
    except Exception as error:
        if not type(error).__module__.startswith(("torch._inductor", "torch._dynamo")):
            raise
        reason = str(error).strip().splitlines()[0]
        raise UserError(
            f"training.compile failed: {reason}; on a CPU it needs a C++ compiler (Debian, Ubuntu: "
            "apt install g++), on a GPU Triton, which comes with PyTorch for Linux. Set "
            "training.compile to false to train without"
        ) from error
