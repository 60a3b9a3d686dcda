"""Measure how sound the motion of runs is, and what it costs; generate.py must have run.

Of the model: whether true surface points carried to t = 1 come back, and evaluations and seconds of
carrying them. Of the generated meshes: whether their volume stays, and whether they pass through
themselves.
Example: python scripts/measure_motion.py out/pointcloud/oflow out/shape_matching/oflow
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from im2mesh.build import build_config, build_device, build_generator, build_windows
from im2mesh.command_line import add_device, add_split, exit_status
from im2mesh.config import DataConfig
from im2mesh.data.sequences import Window
from im2mesh.generation import Generator
from im2mesh.robustness.motion import find_meshes, measure_motion
from im2mesh.robustness.motion_report import MotionStudy, format_motion, write_motion
from im2mesh.robustness.runs import (
    config_file,
    label_runs,
    refuse_other_windows,
    run_folder,
    window_key,
)


@dataclass(frozen=True)
class PreparedRun:
    """A run that can be measured, with the generated meshes of each window."""

    path: Path
    generator: Generator
    data: DataConfig
    meshes: dict[Window, Path]


def main(arguments: Sequence[str]) -> None:
    args = _parse(arguments)
    names = label_runs(args.runs, args.names)
    runs = [prepare_run(path, args) for path in args.runs]
    for run in runs:  # all mistakes are told now, not after an hour
        refuse_other_windows(list(runs[0].meshes), list(run.meshes), run.path)
    study = MotionStudy()
    for name, run in zip(names, runs, strict=True):
        for window, file in tqdm(run.meshes.items(), desc=f"measure {name}", unit="window"):
            numbers = measure_motion(run.generator, run.data, window, file)
            study.add(name, str(run.path), window_key(window), numbers)
    write_motion(args.output, study)
    print(format_motion(study))
    print(f"written to {args.output}")


def prepare_run(path: Path, args: argparse.Namespace) -> PreparedRun:
    """Load the model of a run and find its meshes."""
    config = build_config(config_file(path))
    folder = run_folder(path, config)
    split = args.split or config.data.test_split
    windows = build_windows(config, split, stride=config.data.eval_stride)
    meshes = {window: find_meshes(folder, split, window) for window in windows}
    generator = build_generator(config, folder.best_checkpoint, build_device(args.device))
    return PreparedRun(path, generator, config.data, meshes)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "runs", nargs="+", type=Path, metavar="RUN", help="configs, or output folders of runs"
    )
    parser.add_argument(
        "--names", nargs="+", help="of the runs; those of one name are pooled (seeds of a method)"
    )
    add_split(parser)
    parser.add_argument(
        "--output", type=Path, default=Path("out/motion"), help="folder for the results"
    )
    add_device(parser)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(exit_status(main))
