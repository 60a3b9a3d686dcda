"""Measure how sound the motion of runs is, and what it costs; generate.py must have run.

Of the model: whether true surface points carried to t = 1 come back, and evaluations and seconds of
carrying them. Of the generated meshes: whether their volume stays, and whether they pass through
themselves.
Example: python scripts/measure_motion.py out/pointcloud/oflow out/shape_matching/oflow
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from im2mesh.build import build_config, build_device, build_generator, build_windows
from im2mesh.command_line import add_device, add_split, exit_status
from im2mesh.data.sequences import Window
from im2mesh.robustness.motion import check_meshes, measure_motion
from im2mesh.robustness.motion_report import MotionStudy, format_motion, write_motion
from im2mesh.robustness.runs import (
    config_file,
    label_runs,
    refuse_other_windows,
    run_folder,
    window_key,
)


def main(arguments: Sequence[str]) -> None:
    args = _parse(arguments)
    study, first = MotionStudy(), list[Window]()
    for name, run in zip(label_runs(args.runs, args.names), args.runs, strict=True):
        config = build_config(config_file(run))
        folder = run_folder(run, config)
        split = args.split or config.data.test_split
        windows = build_windows(config, split, stride=config.data.eval_stride)
        first = first or windows
        refuse_other_windows(first, windows, run)
        check_meshes(folder, split, windows)
        generator = build_generator(config, folder.best_checkpoint, build_device(args.device))
        for window in tqdm(windows, desc=f"measure {name}", unit="window"):
            file = folder.window(split, window).sequence
            numbers = measure_motion(generator, config.data, window, file)
            study.add(name, str(run), window_key(window), numbers)
    write_motion(args.output, study)
    print(format_motion(study))
    print(f"written to {args.output}")


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
