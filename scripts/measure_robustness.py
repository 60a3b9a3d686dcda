"""Measure how runs bear worse observations, larger motion and other lengths than they know.

Each sweep changes one setting of section data and leaves all else as the run has it: points, noise,
outliers, hole, step and length; `noise=0,0.05` sets values of its own. No mesh is extracted: the
model is asked for the occupancy of labelled points, and to carry true surface points.
Where a model cannot be asked, because its encoder was built for another number of frames or needs
more points, clips are too short, or clouds have too few points, the table has a gap that says so.
Larger steps and greater lengths need longer clips than usual; --root may name another data set that
has them. Results are written after every run.
Example: python scripts/measure_robustness.py out/pointcloud/oflow out/pointcloud/onet4d
"""

import argparse
import sys
from collections.abc import Sequence
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
from im2mesh.data.dataset import spread_windows
from im2mesh.robustness.measure import refuse_mute
from im2mesh.robustness.report import format_study, write_study
from im2mesh.robustness.runs import (
    PreparedRun,
    config_file,
    label_runs,
    refuse_other_windows,
    run_folder,
)
from im2mesh.robustness.study import Study, measure_run
from im2mesh.robustness.sweeps import SWEEPS, Sweep, parse_sweeps, refuse_useless


def main(arguments: Sequence[str]) -> None:
    args = _parse(arguments)
    study = Study(parse_sweeps(args.sweeps))
    names = label_runs(args.runs, args.names)
    runs = [prepare_run(path, study.sweeps, args) for path in args.runs]
    for run in runs:  # all mistakes are told now, not after an hour
        refuse_other_windows(runs[0].windows, run.windows, run.path)
    total = len(runs) * sum(len(sweep.values) for sweep in study.sweeps)
    with tqdm(total=total, desc="measure", unit="setting") as progress:
        for name, run in zip(names, runs, strict=True):
            measure_run(study, name, run, on_value=progress.update)
            write_study(args.output, study)  # a later run may fail, or be stopped
    print(format_study(study))
    print(f"written to {args.output}")


def prepare_run(path: Path, sweeps: Sequence[Sweep], args: argparse.Namespace) -> PreparedRun:
    """Load the model of a run and list its windows; refuse what cannot be measured."""
    overrides = [] if args.root is None else [f"data.root={args.root}"]
    config = build_config(config_file(path), overrides)
    refuse_useless(sweeps, config.data, str(path))
    folder, split = run_folder(path, config), args.split or config.data.test_split
    generator = build_generator(config, folder.best_checkpoint, build_device(args.device))
    refuse_mute(generator, str(path))
    windows = build_windows(config, split, stride=config.data.eval_stride)
    windows = spread_windows(windows, args.windows)
    origin = build_origin(config, windows, generator=generator)
    return PreparedRun(
        path, folder, split, generator, config.data, windows, config.evaluation.seed, origin
    )


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = measurement_parser(__doc__, Path("out/robustness"))
    parser.add_argument(
        "--sweeps",
        nargs="+",
        default=list(SWEEPS),
        metavar="SWEEP",
        help=f"out of {', '.join(SWEEPS)}; NAME=VALUE,VALUE for values of its own",
    )
    parser.add_argument("--windows", type=int, metavar="N", help="windows used, spread evenly")
    parser.add_argument("--root", help="data folder to use instead of data.root")
    args = parser.parse_args(arguments)
    if args.windows is not None and args.windows < 1:
        parser.error(f"--windows must be at least 1, got {args.windows}")
    return args


if __name__ == "__main__":
    sys.exit(exit_status(main))
