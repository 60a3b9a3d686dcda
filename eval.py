"""Measure generated meshes against the truth: python eval.py CONFIG [key=value ...]."""

import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from im2mesh.build import build_config, build_evaluator, build_origin
from im2mesh.command_line import (
    add_clips,
    add_split,
    config_parser,
    exit_status,
    parse_with_overrides,
)
from im2mesh.config.validation import dump_config, write_config
from im2mesh.data.dataset import build_windows
from im2mesh.errors import Advice
from im2mesh.evaluation.predictions import COORDINATES, PredictedMeshes
from im2mesh.evaluation.report import refuse_other_report
from im2mesh.evaluation.split import SplitEvaluation, evaluate_split, report_once
from im2mesh.machine.ranks import ranks_from_environment
from im2mesh.runs.advice import collected_advice
from im2mesh.runs.folder import CONFIG_FILE, RunFolder
from im2mesh.runs.made_with import advice_on_settings
from im2mesh.studies.report import Evaluated, evaluation_page, write_page


def main(arguments: Sequence[str]) -> None:
    parser = config_parser("Compute the metrics of every window of a split.")
    add_split(parser)
    add_clips(parser)
    parser.add_argument("--workers", type=int, default=1, help="processes that measure windows")
    parser.add_argument(
        "--meshes",
        type=Path,
        metavar="FOLDER",
        help="meshes made by somebody else, in FOLDER/<category>/<clip>/<start>/<number>.ply "
        "(docs/data.md lists the formats); corners of a face counter-clockwise seen from outside",
    )
    parser.add_argument(
        "--coordinates",
        choices=COORDINATES,
        default="window",
        help="coordinates of --meshes: the frame of the window's first mesh, or metres in the "
        "world, as in the data (far from 0 write enough digits, or PLY double)",
    )
    parser.add_argument("--output", type=Path, help="folder for the results")
    args = parse_with_overrides(parser, arguments)
    if (args.meshes or args.clips) and not args.output:
        parser.error(
            "--meshes and --clips need --output: the run's own folder is for its whole split"
        )
    config = build_config(args.config, args.overrides)
    if args.print_config:
        print(dump_config(config), end="")
        return
    ranks, folder = ranks_from_environment(), RunFolder.of(config)
    split = args.split or config.data.test_split
    windows = build_windows(config, split, stride=config.data.eval_stride, clips=args.clips)
    predictions = PredictedMeshes(args.meshes or folder.generation(split), args.coordinates)
    output = args.output or folder.evaluation(split)
    refuse_other_report(output)
    origin = build_origin(config, windows, predictions=predictions)
    if not args.meshes and ranks.is_main:
        for text in advice_on_settings(predictions.folder / CONFIG_FILE, config):
            warnings.warn(text, Advice, stacklevel=1)  # before hours of measuring
    evaluation = SplitEvaluation(build_evaluator(config), predictions, output)
    with tqdm(total=len(windows), desc=f"evaluate {split}", unit="window", delay=0.1) as progress:

        def show(count: int) -> None:
            progress.update(count - progress.n)

        measured = evaluate_split(
            evaluation, windows, workers=args.workers, ranks=ranks, on_progress=show
        )
    write_config(output / CONFIG_FILE, config)
    table = report_once(evaluation, split, measured, origin, ranks)
    if not ranks.is_main:
        return
    run = None if args.meshes else folder
    result = Evaluated(config, windows, predictions, measured.records, origin, run)
    with collected_advice():  # on the same meshes, which was given when they were measured
        page = evaluation_page(f"Evaluation of {config.output_dir}, {split}", {split: result})
    for text in [*measured.advice, *write_page(output, page)]:
        warnings.warn(text, Advice, stacklevel=1)
    print(table)
    frames = sorted({record.frame for record in measured.records})
    if len(frames) < config.data.num_frames:
        print(f"measured in frames {', '.join(map(str, frames))} of {config.data.num_frames}")
    labelled = {record.window for record in measured.records if record.metric == "iou"}
    unlabelled = len(windows) - len(labelled)
    if unlabelled == len(windows):
        print("no clip has points_seq: IoU is not measured")
    elif unlabelled:
        print(f"IoU is not measured in {unlabelled} of {len(windows)} windows: no points_seq there")
    print(f"written to {output}")


if __name__ == "__main__":
    sys.exit(exit_status(main))
