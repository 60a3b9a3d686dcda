"""Measure several runs side by side, in ways that eval.py does not."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tqdm import tqdm

from im2mesh.build import build_config, build_generator, build_origin, load_for_clouds
from im2mesh.command_line import (
    add_checkpoint,
    add_clips,
    add_device,
    add_split,
    chosen_weights,
    config_parser,
    exit_status,
    measurement_parser,
    parse_with_overrides,
    run_command,
)
from im2mesh.config.schema import Config
from im2mesh.data.dataset import build_windows, spread_windows
from im2mesh.data.layout import DEPTH_FOLDER, Window
from im2mesh.evaluation.predictions import PredictedMeshes
from im2mesh.files.results import refuse_other_results
from im2mesh.generation.generator import Generator
from im2mesh.machine.devices import build_device
from im2mesh.pretrained.shipped import find_weights, suiting_clouds
from im2mesh.runs.folder import RunFolder
from im2mesh.studies import window_study
from im2mesh.studies.motion.measure import find_meshes, measure_motion
from im2mesh.studies.prepared_runs import (
    PreparedRun,
    config_file,
    finite_numbers,
    label_runs,
    refuse_other_windows,
    run_folder,
)
from im2mesh.studies.robustness.measure import refuse_mute
from im2mesh.studies.robustness.report import files_of_study, format_study, write_study
from im2mesh.studies.robustness.study import Study, measure_run
from im2mesh.studies.robustness.sweeps import SWEEPS, Sweep, parse_sweeps, refuse_useless
from im2mesh.studies.scans.measure import METHODS, measure_clip
from im2mesh.studies.window_study import WindowStudy


def main(arguments: Sequence[str]) -> None:
    commands = {"robustness": robustness, "motion": motion, "scans": scans}
    run_command("measure.py", commands, arguments, __doc__)


def robustness(arguments: Sequence[str]) -> None:
    """Measure how runs do with worse observations, larger motion, other lengths than in training.

    Each sweep changes one setting of section data and leaves all else as in the run: points,
    noise, outliers, hole, uneven, cameras, step and length; `noise=0,0.05` tries the values given.
    No mesh is extracted: the model is asked for the occupancy of labelled points, and to carry true
    surface points.
    Where a model cannot be asked, because its encoder was built for another number of frames or
    needs more points, clips are too short, or clouds have too few points, the table has a gap that
    says so. Larger steps and greater lengths need longer clips than usual; --root may name another
    data set that has them. Results are written after every run.
    Example: python scripts/measure.py robustness out/pointcloud/oflow out/pointcloud/onet4d
    """
    args = _parse_robustness(arguments)
    study = Study(parse_sweeps(args.sweeps))
    refuse_other_results(args.output, files_of_study(study))
    names = label_runs(args.runs, args.names)
    runs = [_prepare_for_sweeps(path, study.sweeps, args) for path in args.runs]
    for run in runs:  # all mistakes are told now, not after an hour
        refuse_other_windows(runs[0].windows, run.windows, run.path)
    total = len(runs) * sum(len(sweep.values) for sweep in study.sweeps)
    with tqdm(total=total, desc="measure", unit="setting") as progress:
        for name, run in zip(names, runs, strict=True):
            measure_run(study, name, run, on_value=progress.update)
            write_study(args.output, study)  # a later run may fail, or be stopped
    print(format_study(study))
    print(f"written to {args.output}")


def motion(arguments: Sequence[str]) -> None:
    """Measure how sound the motion of runs is, and what it costs; generate.py must have run.

    The model carries true surface points to t = 1 and back: the table tells how far they end from
    their start, and how many evaluations and seconds it takes to carry them to evenly spaced times.
    For generated meshes it tells how much the volume changes, and whether they pass through
    themselves.
    Example: python scripts/measure.py motion out/pointcloud/oflow out/shape_matching/oflow
    """
    parser = measurement_parser(motion.__doc__, "measure.py motion", Path("out/motion"))
    args = parser.parse_args(arguments)
    study = WindowStudy("motion")
    refuse_other_results(args.output, study.files)
    names = label_runs(args.runs, args.names)
    runs = [_prepare_with_meshes(path, args) for path in args.runs]
    for run in runs:  # all mistakes are told now, not after an hour
        refuse_other_windows(runs[0].windows, run.windows, run.path)
    for name, run in zip(names, runs, strict=True):
        for window in tqdm(run.windows, desc=f"measure {name}", unit="window"):
            file = find_meshes(run.folder, run.split, window)
            numbers = finite_numbers(
                run.path,
                window,
                partial(measure_motion, run.generator, run.data, window, file, run.seed),
            )
            study.add(name, run.path, run.origin, window.place, numbers)
    window_study.write_study(args.output, study)
    print(window_study.format_study(study))
    print(f"written to {args.output}")


def scans(arguments: Sequence[str]) -> None:
    """Measure how well clouds of a scanner become moving meshes, on clips whose truth is known.

    Clouds are drawn from the first window of each clip, as section data says and with each value of
    each sweep; data.input_folder=depth_seq takes those of depth cameras. Methods: the surface that
    the network sees stays put (still), the true one follows by the fit alone (given), and what
    generate.py --clouds does (predicted). Compared are true points that are followed from the first
    frame on, and the meshes. Clips of any data set will do, such as those that scripts/prepare.py
    makes of an animated .glb.
    Example: python scripts/measure.py scans configs/scans.yaml data.root=data/bodies-1 --draws 3
    """
    args = _parse_scans(arguments)
    config = build_config(args.config, args.overrides)
    study = Study(parse_sweeps(args.sweeps), name="scans")
    refuse_other_results(args.output, files_of_study(study))
    refuse_useless(study.sweeps, config.data, args.config)
    is_tracked = config.data.input_pointcloud_corresponding
    of_one_camera = config.data.input_folder == DEPTH_FOLDER and config.data.input_cameras == 1
    suiting = suiting_clouds(is_tracked, of_one_camera)
    file = chosen_weights(args, RunFolder.of(config).best_checkpoint, find_weights(suiting))
    device = build_device(args.device)
    trained, generator = load_for_clouds(file, config, is_tracked, suiting, device)
    corresponding = trained.data.input_pointcloud_corresponding
    split = args.split or config.data.test_split
    windows = build_windows(config, split, stride=config.data.eval_stride, clips=args.clips)
    windows = list({(w.category, w.clip): w for w in reversed(windows)}.values())[::-1]
    origin = build_origin(config, windows, generator=generator)
    total = len(args.methods) * args.draws * sum(len(sweep.values) for sweep in study.sweeps)
    with tqdm(total=total, desc="measure", unit="setting") as progress:
        for draw in range(args.draws):
            path, seed = Path(f"draw {draw}"), config.generation.seed + draw
            run = PreparedRun(
                path, RunFolder.of(config), split, generator, config.data, windows, seed, origin
            )
            for name in args.methods:
                measure = partial(measure_clip, name, corresponding)
                measure_run(study, name, run, progress.update, measure)
            write_study(args.output, study)  # a later draw may fail, or be stopped
    print(format_study(study))
    print(f"written to {args.output}")


@dataclass(frozen=True)
class FoundRun:
    """A run that was named on the command line, before its model is loaded."""

    path: Path
    config: Config
    folder: RunFolder
    split: str

    @classmethod
    def of(cls, path: Path, split: str | None, overrides: Sequence[str] = ()) -> "FoundRun":
        config = build_config(config_file(path), overrides)
        return cls(path, config, run_folder(path, config), split or config.data.test_split)

    def windows(self) -> list[Window]:
        return build_windows(self.config, self.split, stride=self.config.data.eval_stride)

    def generator(self, device: str) -> Generator:
        return build_generator(self.config, self.folder.best_checkpoint, build_device(device))

    def prepare(
        self,
        windows: Sequence[Window],
        generator: Generator,
        predictions: PredictedMeshes | None = None,
    ) -> PreparedRun:
        origin = build_origin(self.config, windows, predictions=predictions, generator=generator)
        return PreparedRun(
            self.path,
            self.folder,
            self.split,
            generator,
            self.config.data,
            windows,
            self.config.evaluation.seed,
            origin,
        )


def _prepare_for_sweeps(
    path: Path, sweeps: Sequence[Sweep], args: argparse.Namespace
) -> PreparedRun:
    """Load the model of a run and list its windows; refuse what cannot be measured."""
    run = FoundRun.of(path, args.split, [] if args.root is None else [f"data.root={args.root}"])
    refuse_useless(sweeps, run.config.data, str(path))
    generator = run.generator(args.device)
    refuse_mute(generator, str(path))
    return run.prepare(spread_windows(run.windows(), args.windows), generator)


def _prepare_with_meshes(path: Path, args: argparse.Namespace) -> PreparedRun:
    """Load the model of a run, whose meshes must be there."""
    run = FoundRun.of(path, args.split)
    windows = run.windows()
    for window in windows:
        find_meshes(run.folder, run.split, window)
    predictions = PredictedMeshes(run.folder.generation(run.split))
    return run.prepare(windows, run.generator(args.device), predictions)


def _parse_scans(arguments: Sequence[str]) -> argparse.Namespace:
    parser = config_parser(scans.__doc__, "measure.py scans")
    _add_sweeps(parser, ["points=300"])
    parser.add_argument(
        "--methods", nargs="+", default=list(METHODS), choices=METHODS, help="default: all"
    )
    parser.add_argument("--draws", type=int, default=1, help="draws of the clouds (default 1)")
    add_split(parser)
    add_clips(parser)
    add_checkpoint(parser)
    add_device(parser)
    parser.add_argument("--output", type=Path, default=Path("out/scan-study"), help="folder")
    args = parse_with_overrides(parser, arguments)
    if args.draws < 1:
        parser.error(f"--draws must be at least 1, got {args.draws}")
    return args


def _add_sweeps(parser: argparse.ArgumentParser, default: list[str]) -> None:
    parser.add_argument(
        "--sweeps",
        nargs="+",
        default=default,
        metavar="SWEEP",
        help=f"out of {', '.join(SWEEPS)}; NAME=VALUE,VALUE tries the values given",
    )


def _parse_robustness(arguments: Sequence[str]) -> argparse.Namespace:
    parser = measurement_parser(robustness.__doc__, "measure.py robustness", Path("out/robustness"))
    _add_sweeps(parser, list(SWEEPS))
    parser.add_argument("--windows", type=int, metavar="N", help="windows used, spread evenly")
    parser.add_argument("--root", help="data folder to use instead of data.root")
    args = parser.parse_args(arguments)
    if args.windows is not None and args.windows < 1:
        parser.error(f"--windows must be at least 1, got {args.windows}")
    return args


if __name__ == "__main__":
    sys.exit(exit_status(main))
