"""Measures one row in a process of its own, so that its peak memory is its own; prints JSON.

Used by `python -m benchmarks`. With --checkout it measures the package and configs of another
checkout.
"""

import argparse
import json
import os
import statistics
import sys
import time
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("row")
    parser.add_argument("--checkout", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--repeats", type=int)
    parser.add_argument("overrides", nargs="*")
    args = parser.parse_intermixed_args()
    sys.path.insert(0, str(args.checkout))
    os.chdir(args.checkout)  # use the configurations of the checkout
    print(json.dumps(_measure(args)))


def _measure(args: argparse.Namespace) -> dict:
    import torch

    from benchmarks.rows import ROWS
    from benchmarks.workloads import Workplace

    device = torch.device(args.device)
    row = ROWS[args.row]
    work = row.prepare(Workplace(args.data, args.out, device, tuple(args.overrides)))
    seconds, told = [], {}
    for _ in range(1 + (args.repeats or row.repeats)):
        started = time.perf_counter()
        told = work()
        seconds.append(time.perf_counter() - started)
    counted, is_gpu = seconds[1:], device.type == "cuda"
    return {
        "median": statistics.median(counted),
        "min": min(counted),
        "max": max(counted),
        "repeats": len(counted),
        "peak_memory": _peak_memory(),
        "peak_gpu_memory": torch.cuda.max_memory_allocated(device) if is_gpu else None,
        **told,
    }


def _peak_memory() -> int:
    """Peak memory of this process in bytes. On Linux, getrusage may tell the parent's peak."""
    import resource  # only Unix has it

    status = Path("/proc/self/status")
    if not status.exists():  # macOS counts in bytes
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    main()
