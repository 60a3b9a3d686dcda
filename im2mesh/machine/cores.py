"""The processor: its name, its cores, and the threads of PyTorch beside reading processes."""

import os
import platform
from pathlib import Path

import torch


def leave_cores_to_workers(num_workers: int) -> None:
    """Use one thread per core that the workers leave, unless OMP_NUM_THREADS is set.

    A thread that has to wait for a core holds up all others at the end of every operation: on two
    cores, one thread and one worker were a fifth faster than two threads and one worker.
    """
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, available_cores() - num_workers))


def available_cores() -> int:
    """Number of cores that this process may use, if the system tells; else of all cores."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processor_name() -> str:
    """The model of the processor; Linux tells it in a file only."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
