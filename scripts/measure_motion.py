"""Measure how sound the motion of runs is, and what it costs; generate.py must have run.

Of the model: whether true surface points carried to t = 1 come back, and evaluations and seconds of
carrying them. Of the generated meshes: whether their volume stays, and whether they pass through
themselves.
Example: python scripts/measure_motion.py out/pointcloud/oflow out/shape_matching/oflow
"""

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from tqdm import tqdm

from im2mesh.build import (
    build_config,
    build_device,
    build_generator,
    build_origin,
    build_windows,
)
from im2mesh.command_line import exit_status, measurement_parser
from im2mesh.predictions import PredictedMeshes
from im2mesh.robustness.finite import finite_numbers
from im2mesh.robustness.motion import find_meshes, measure_motion
from im2mesh.robustness.motion_report import MotionStudy, format_motion, write_motion
from im2mesh.robustness.runs import (
    PreparedRun,
    config_file,
    label_runs,
    refuse_other_windows,
    run_folder,
    window_key,
)


def main(arguments: Sequence[str]) -> None:
    args = measurement_parser(__doc__, Path("out/motion")).parse_args(arguments)
    names = label_runs(args.runs, args.names)
    runs = [prepare_run(path, args) for path in args.runs]
    for run in runs:  # all mistakes are told now, not after an hour
        refuse_other_windows(runs[0].windows, run.windows, run.path)
    study = MotionStudy()
    for name, run in zip(names, runs, strict=True):
        for window in tqdm(run.windows, desc=f"measure {name}", unit="window"):
            file = find_meshes(run.folder, run.split, window)
            numbers = finite_numbers(
                run.path,
                window,
                partial(measure_motion, run.generator, run.data, window, file, run.seed),
            )
            study.add(name, run, window_key(window), numbers)
    write_motion(args.output, study)
    print(format_motion(study))
    print(f"written to {args.output}")


def prepare_run(path: Path, args: argparse.Namespace) -> PreparedRun:
    """Load the model of a run, whose meshes must be there."""
    config = build_config(config_file(path))
    folder, split = run_folder(path, config), args.split or config.data.test_split
    windows = build_windows(config, split, stride=config.data.eval_stride)
    for window in windows:
        find_meshes(folder, split, window)
    generator = build_generator(config, folder.best_checkpoint, build_device(args.device))
    meshes = PredictedMeshes(folder.generation(split))
    origin = build_origin(config, windows, predictions=meshes, generator=generator)
    return PreparedRun(
        path, folder, split, generator, config.data, windows, config.evaluation.seed, origin
    )


if __name__ == "__main__":
    sys.exit(exit_status(main))
