"""How much faster samples come from packed clips: against files of frames, and whole files.

    python scripts/pack_dataset.py data/bodies data/bodies-packed
    python -m benchmarks.packed data/bodies data/bodies-packed

Three loaders draw from the same windows, one after the other, since files stay open from sample to
sample (an eighth of `ulimit -n`):

- *whole files* reads every file of a sample with numpy.load, as a simple loader does;
- *files* is the training data of this program, with a file for each frame;
- *packed* is the same from packed clips.

They are measured where folders are listed and arrays are located already (warm), where nothing is
known of a clip (cold), and on a disk on which every look at a name takes 2 ms (network). All files
are in the memory of the system. Other work on the machine lengthens the time that passes, and long
samples more than short ones; so loaders are compared by their time on the processor, and on the
network by that and 2 ms for each look at a name, which is what passes where nothing else works.
"""

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from typing import NamedTuple

import numpy as np
import torch

from benchmarks.machine import describe
from benchmarks.processes import HERE
from benchmarks.slow_disk import slow_disk
from benchmarks.table import markdown
from im2mesh.build import build_config
from im2mesh.command_line import docstring_parser, exit_status
from im2mesh.data import clip_files, frame_arrays, frames, manifest, storage
from im2mesh.data.dataset import WindowDataset, build_training_data
from im2mesh.data.layout import CLOUD_FOLDER, POINTS_FOLDER
from im2mesh.data.transforms import NormalizationFrame, change_frames

CONFIG = HERE / "configs/pointcloud/oflow_w_correspond.yaml"
LATENCY = 0.002  # seconds
WHOLE, FILES, PACKED = "whole files", "files", "packed"
CACHES = (
    storage._open_file,
    storage._TABLES,
    manifest._TABLES,
    frame_arrays._NORMALIZATIONS,
    frames._SEQUENCES,
    frames.first_frame,
    clip_files.clip_files,
    clip_files.packed_file,
    clip_files.frame_numbers,
)
"""All that this program remembers of files."""

Loader = Callable[[int], object]


class Cost(NamedTuple):
    """What one sample took: seconds that passed, seconds on the processor, looks at names."""

    passed: float
    worked: float
    looks: int

    def alone(self, latency: float) -> float:
        """Seconds that pass where nothing else works, but for the inaccuracy of a pause."""
        return self.worked + self.looks * latency


class WholeFiles:
    """A simple loader: every array that a sample needs is read as a whole, then rows are drawn."""

    def __init__(self, data: WindowDataset) -> None:
        self.data = data
        self.rng = np.random.default_rng(0)

    def __call__(self, draw: int) -> object:
        window, config = self.data._window_of(draw), self.data.config
        stored = frames.StoredWindow(config.root, window)
        clouds = [stored.path(frame, CLOUD_FOLDER) for frame in range(window.num_frames)]
        inputs = self._trajectories(clouds, config.num_input_points)
        noise = self.rng.normal(0, config.input_noise, inputs.shape)
        ends = (0, int(self.rng.integers(1, window.num_frames)))
        labelled = [self._labels(stored.path(frame, POINTS_FOLDER)) for frame in ends]
        followed = self._trajectories(clouds, config.num_correspondence_points)
        return inputs + noise, labelled, followed

    def _trajectories(self, paths: Sequence[str], count: int) -> np.ndarray:
        points, sources = zip(*(_read_cloud(path) for path in paths), strict=True)
        rows = self.rng.integers(0, len(points[0]), count)
        return change_frames(np.stack([cloud[rows] for cloud in points]), sources, sources[0])

    def _labels(self, path: str) -> tuple[np.ndarray, np.ndarray]:
        with np.load(path) as arrays:
            points, occupancy = arrays["points"], np.unpackbits(arrays["occupancies"])
        rows = self.rng.integers(0, len(points), self.data.num_points)
        return points[rows].astype(np.float32), occupancy[rows]


def _read_cloud(path: str) -> tuple[np.ndarray, NormalizationFrame]:
    with np.load(path) as arrays:
        loc, scale = arrays["loc"].astype(np.float64), float(arrays["scale"])
        return arrays["points"], NormalizationFrame(loc, scale)


def main(arguments: Sequence[str]) -> None:
    args = _parse(arguments)
    files, packed = (_open(root, args.overrides) for root in (args.files, args.packed))
    if files.windows != packed.windows:
        raise SystemExit(f"{args.packed} has other windows than {args.files}; pack it again")
    loaders = {WHOLE: WholeFiles(files), FILES: files.__getitem__, PACKED: packed.__getitem__}
    roots = {WHOLE: args.files, FILES: args.files, PACKED: args.packed}
    rows = {}
    for disk, latency in (("local", 0.0), ("network", LATENCY)):
        for state in ("cold", "warm"):
            disks = {name: partial(slow_disk, root, latency) for name, root in roots.items()}
            found = _measure(loaders, args.samples, state == "cold", disks)
            rows |= _rows(f"{disk}, {state}", found, latency)
    print(describe(torch.device("cpu")))
    print(f"{args.samples} samples of {len(files)} windows in {args.files}\n")
    print(markdown(rows, "disk, state, loader"))


def _open(root: Path, overrides: Sequence[str]) -> WindowDataset:
    return build_training_data(
        build_config(CONFIG, [f"data.root={root}", "data.skip_frames=0", *overrides])
    )


def _measure(
    loaders: Mapping[str, Loader],
    count: int,
    is_cold: bool,
    disks: Mapping[str, Callable[[], AbstractContextManager[list[str]]]],
) -> dict[str, list[Cost]]:
    """Name of a loader -> the cost of each sample."""
    costs: dict[str, list[Cost]] = {name: [] for name in loaders}
    for name, load in loaders.items():
        for draw in range(count):  # all files come into memory, all folders are listed
            load(draw)
        for draw in range(count):
            if is_cold:
                for cache in CACHES:
                    cache.cache_clear()
            with disks[name]() as looks:
                started, worked = time.perf_counter(), time.thread_time()
                load(draw)
                passed, worked = time.perf_counter() - started, time.thread_time() - worked
            costs[name].append(Cost(passed, worked, len(looks)))
    return costs


def _rows(
    state: str, costs: Mapping[str, list[Cost]], latency: float
) -> dict[str, dict[str, object]]:
    alone = {name: [cost.alone(latency) for cost in found] for name, found in costs.items()}
    middle = {name: median(seconds) for name, seconds in alone.items()}
    rows = {}
    for name, found in costs.items():
        deciles = quantiles(alone[name], n=10)
        rows[f"{state}, {name}"] = {
            "ms a sample": 1e3 * middle[name],
            "middle 80 %": f"{1e3 * deciles[0]:.2f} to {1e3 * deciles[-1]:.2f}",
            "of it on the processor": 1e3 * median(cost.worked for cost in found),
            "looks at names": median(cost.looks for cost in found),
            "passed": 1e3 * median(cost.passed for cost in found),
            "times whole files": middle[WHOLE] / middle[name],
            "times files": middle[FILES] / middle[name],
        }
    return rows


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = docstring_parser(__doc__, "python -m benchmarks.packed")
    parser.add_argument("files", type=Path, help="data set with a file for each frame")
    parser.add_argument("packed", type=Path, help="the same, packed")
    parser.add_argument("overrides", nargs="*", metavar="key=value")
    parser.add_argument("--samples", type=int, default=200)
    return parser.parse_intermixed_args(arguments)


if __name__ == "__main__":
    sys.exit(exit_status(main))
