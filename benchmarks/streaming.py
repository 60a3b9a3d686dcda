"""How many samples a second come from a web server, with 1, 2 and 4 readers.

    python scripts/stream.py publish data/bodies-packed
    python -m benchmarks.streaming data/bodies-packed

A server of its own process serves the packed data set on this machine's own address. Readers are
the worker processes of a DataLoader, as in training. In each round a new cache is filled (every
clip is fetched once), read again from the cache, and the same samples are read from the data set
itself. Rounds are repeated; the table shows medians, and the least and the most in brackets.
"""

import argparse
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch.utils.data import DataLoader

from benchmarks.machine import describe
from benchmarks.processes import HERE
from benchmarks.table import markdown
from im2mesh.build import build_config
from im2mesh.command_line import docstring_parser, exit_status
from im2mesh.data.clip_files import forget_files
from im2mesh.data.dataset import build_training_data
from im2mesh.data.streaming import open_stream

CONFIG = HERE / "configs/pointcloud/oflow_w_correspond.yaml"
READERS = (1, 2, 4)


class _Handler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


def _serve(folder: str, port: Any) -> None:
    handler = partial(_Handler, directory=folder)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        port.put(server.server_port)
        server.serve_forever()


@contextmanager
def _served(folder: Path) -> Iterator[str]:
    context = multiprocessing.get_context("spawn")
    port = context.Queue()
    process = context.Process(target=_serve, args=(str(folder), port), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{port.get(timeout=60)}"
    finally:
        process.terminate()
        process.join()


def main(arguments: Sequence[str]) -> None:
    args = _parse(arguments)
    found: dict[str, list[float]] = {}
    with _served(args.packed) as url:
        for _ in range(args.rounds):
            for readers in READERS:
                for name, rate in _round(url, args, readers).items():
                    found.setdefault(f"{name}, {readers} readers", []).append(rate)
    print(describe(torch.device("cpu")))
    print(f"{args.samples} samples, {args.rounds} rounds\n")
    print(markdown({name: _row(rates) for name, rates in found.items()}, "samples a second"))


def _round(url: str, args: argparse.Namespace, readers: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory(dir=args.cache) as folder:
        cache = Path(folder) / "cache"
        open_stream(url, cache)
        rates = {
            "fetched": _rate(cache, args.samples, readers),
            "from the cache": _rate(cache, args.samples, readers),
            "from the disk": _rate(args.packed, args.samples, readers),
        }
    forget_files()
    return rates


def _rate(root: Path, samples: int, readers: int) -> float:
    """Samples a second, the start of the processes included."""
    config = build_config(CONFIG, [f"data.root={root}", "data.skip_frames=0"])
    data = build_training_data(config)
    loader = DataLoader(data, None, sampler=range(samples), num_workers=readers)
    started = time.perf_counter()
    for _ in loader:
        pass
    return samples / (time.perf_counter() - started)


def _row(rates: Sequence[float]) -> dict[str, object]:
    return {"median": median(rates), "least to most": f"{min(rates):.0f} to {max(rates):.0f}"}


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = docstring_parser(__doc__, "python -m benchmarks.streaming")
    parser.add_argument("packed", type=Path, help="packed data set with its catalogue")
    parser.add_argument("--samples", type=int, default=400, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cache", type=Path, help="folder for the caches (default: temporary)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(exit_status(main))
