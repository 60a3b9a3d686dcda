"""What this machine is, and how fast it multiplies matrices and copies memory at best."""

import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from im2mesh.machine.cores import processor_name
from im2mesh.models.layers.precision import products_in


def wait(device: torch.device) -> None:
    """Wait until a GPU, which works asynchronously, has finished."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@dataclass(frozen=True)
class Rates:
    """Measured rates of matrix products and copies.

    Products: the faster of 4096 x 4096 by 4096 x 4096, and 8192 x 512 by 512 x 512.

    Attributes:
        gflops: Precision -> billions of operations a second.
        gigabytes: Billions of bytes read and written a second while 256 MB are copied.
    """

    gflops: dict[str, float]
    gigabytes: float


def measure_rates(device: torch.device) -> Rates:
    dtypes = {"fp32": torch.float32, "bf16": torch.bfloat16}
    source = torch.rand(64 * 2**20, device=device)
    target = torch.empty_like(source)
    seconds = _median(lambda: target.copy_(source), device)
    rates = {name: _product_rate(dtype, device) for name, dtype in dtypes.items()}
    if device.type == "cuda":
        with products_in("high"):
            rates["tf32"] = _product_rate(torch.float32, device)
    return Rates(rates, 2 * source.numel() * 4 / seconds / 1e9)


def _product_rate(dtype: torch.dtype, device: torch.device) -> float:
    best = 0.0
    for n, k, m in ((4096, 4096, 4096), (8192, 512, 512)):
        a = torch.rand(n, k, device=device, dtype=dtype)
        b = torch.rand(k, m, device=device, dtype=dtype)
        seconds = _median(lambda a=a, b=b: a @ b, device)
        best = max(best, 2 * n * k * m / seconds / 1e9)
    return best


def _median(work: Callable[[], object], device: torch.device) -> float:
    seconds = []
    for _ in range(8):
        started = time.perf_counter()
        work()
        wait(device)
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds[1:])


def describe(device: torch.device) -> str:
    """Describe the machine in one line."""
    if device.type == "cuda":
        where = torch.cuda.get_device_name(device)
    else:
        where = f"{processor_name()}, {torch.get_num_threads()} threads"
    return f"{where}; Python {platform.python_version()}, torch {torch.__version__}"
