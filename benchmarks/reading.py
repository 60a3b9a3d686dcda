"""How fast samples are read: from memory, from disk, and from the layout of a data set too large.

    python -m benchmarks.reading data.root=out/benchmarks/data

The estimate in docs/scaling.md rests on it. Samples of the training split are read in three ways:
from files that the system has in memory; from files on disk, which the system is asked to drop from
memory before every sample (Linux only); and from records of one long file, a shard, in their order,
where a record holds what one sample needs, drawn beforehand. It also tells how much of that is read
from disk.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

import numpy as np
import torch

from benchmarks.machine import describe
from benchmarks.processes import HERE
from benchmarks.table import markdown
from im2mesh.build import build_config
from im2mesh.command_line import exit_status
from im2mesh.data.batch import Sample
from im2mesh.data.dataset import WindowDataset, build_training_data
from im2mesh.data.storage import _open_file  # mapped files stay in memory until it is cleared

CONFIG = HERE / "configs/pointcloud/oflow_w_correspond.yaml"
SHARD = HERE / "out/benchmarks/shard.bin"
ARRAYS = ("inputs", "points_0", "occupancy_0", "points_t", "occupancy_t", "pointcloud")


@dataclass(frozen=True)
class Way:
    """One way to read the k-th sample; `prepare` is not timed."""

    prepare: Callable[[int], object]
    read: Callable[[int], object]


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("overrides", nargs="*", metavar="key=value")
    parser.add_argument("--samples", type=int, default=200)
    args = parser.parse_intermixed_args(arguments)
    data = build_training_data(build_config(CONFIG, args.overrides))
    first = len(data)  # after one epoch, the places of all arrays are known
    size = _write_shard(data[draw] for draw in range(max(first, args.samples)))
    files = {window: _files_of(data, window.clip) for window in data.windows}

    def forget(draw: int) -> None:
        _forget(files[data[draw].window])

    ways = {
        "files, in memory": Way(lambda k: data[first + k], lambda k: data[first + k]),
        "files, on disk": Way(lambda k: forget(first + k), lambda k: data[first + k]),
        "records of a shard, on disk": Way(lambda _: None, lambda k: _read_record(k, size)),
    }
    _forget([SHARD])
    print(describe(torch.device("cpu")))
    print(f"{args.samples} samples of {first} windows; {size / 1e3:.0f} kB each\n")
    print(markdown({name: _measure(way, args.samples) for name, way in ways.items()}, "way"))
    SHARD.unlink()


def _measure(way: Way, count: int) -> dict[str, object]:
    seconds, taken = [], 0
    for k in range(count):
        way.prepare(k)
        before, started = _bytes_from_disk(), time.perf_counter()
        way.read(k)
        seconds.append(time.perf_counter() - started)
        taken += _bytes_from_disk() - before
    deciles = quantiles(seconds, n=10)
    return {
        "ms a sample, median": 1e3 * median(seconds),
        "middle 80 %": f"{1e3 * deciles[0]:.2f} to {1e3 * deciles[-1]:.2f}",
        "MB a sample from disk": taken / count / 1e6,
        "samples a second": len(seconds) / sum(seconds),
    }


def _write_shard(samples: Iterable[Sample]) -> int:
    """Write one record per sample; returns the number of bytes of a record."""
    SHARD.parent.mkdir(parents=True, exist_ok=True)
    size = 0
    with SHARD.open("wb") as file:
        for sample in samples:
            size = file.write(b"".join(getattr(sample, name).tobytes() for name in ARRAYS))
        os.fsync(file.fileno())
    return size


def _read_record(number: int, size: int) -> np.ndarray:
    with SHARD.open("rb") as file:
        file.seek(number * size)
        return np.frombuffer(file.read(size), np.uint8)


def _files_of(data: WindowDataset, clip: str) -> list[Path]:
    return list(Path(data.config.root).glob(f"*/{clip}/*/*.npz"))


def _forget(paths: Iterable[Path]) -> None:
    """Ask the system to drop these files from memory."""
    _open_file.cache_clear()
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def _bytes_from_disk() -> int:
    """Bytes that this process has read from disk so far, as Linux counts them."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("read_bytes"))


if __name__ == "__main__":
    sys.exit(exit_status(main))
