"""The device that computes."""

import re

import torch

from im2mesh.errors import UserError
from im2mesh.machine.ranks import Ranks


def build_device(name: str, ranks: Ranks | None = None) -> torch.device:
    """The device named; `auto` is the GPU of this process if there are GPUs, else the CPU."""
    local_rank = 0 if ranks is None else ranks.local_rank
    if name == "auto" and not torch.cuda.is_available():
        return torch.device("cpu")
    if name == "auto" or (name == "cuda" and local_rank):
        name = f"cuda:{local_rank}"
    if not re.fullmatch(r"cpu|cuda(:\d+)?", name):
        raise UserError(f"--device is '{name}'; choose auto, cpu, cuda or cuda:0")
    device, count = torch.device(name), torch.cuda.device_count()
    if device.type == "cuda" and (device.index or 0) >= count:
        visible = f"cuda:0 to cuda:{count - 1} are" if count else "no CUDA device is"
        raise UserError(f"--device is '{name}', but {visible} visible; choose auto or cpu")
    return device
