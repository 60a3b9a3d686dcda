"""The floating-point precision in which the networks of a training compute."""

import warnings
from dataclasses import dataclass

import torch

from im2mesh.errors import Advice
from im2mesh.machine.bf16 import bf16_speedup, has_bf16_units

WORTH_ITS_ROUNDING = 1.2
"""Least speed-up at which bf16 is chosen. Below, noise would decide, from one start to the next."""


@dataclass(frozen=True)
class ChosenPrecision:
    """A precision and why it was chosen.

    Attributes:
        name: fp32, tf32 or bf16.
        reason: Reason in words.
    """

    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.name} ({self.reason})"


def choose_precision(asked: str, device: torch.device) -> ChosenPrecision:
    """The precision that `training.precision` asks for; with auto, the faster of bf16 and fp32.

    Warns if bf16 is asked for by name on a device that has to emulate it.
    """
    if asked == "bf16" and not has_bf16_units(device):
        _warn_of_emulation(device)
    if asked != "auto":
        return ChosenPrecision(asked, "as training.precision asks")
    if not has_bf16_units(device):
        return ChosenPrecision("fp32", f"this {_kind(device)} has no instructions for bf16")
    speedup = bf16_speedup(device)
    name = "bf16" if speedup >= WORTH_ITS_ROUNDING else "fp32"
    return ChosenPrecision(name, f"bf16 was measured at {speedup:.1f} times the speed of fp32")


def _warn_of_emulation(device: torch.device) -> None:
    slowdown = 1 / bf16_speedup(device)
    warnings.warn(
        f"this {_kind(device)} has no instructions for bf16 and emulates it: a step of a small "
        f"network took {slowdown:.0f} times as long as in fp32; set training.precision=fp32",
        Advice,
        stacklevel=3,
    )


def _kind(device: torch.device) -> str:
    return "GPU" if device.type == "cuda" else "processor"
