"""Draw runs: sheets of meshes coloured by place or by error, videos, pages, curves of training."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from im2mesh.build import build_config, build_origin, load_trained
from im2mesh.command_line import (
    add_checkpoint,
    add_device,
    add_error_colors,
    add_max_error,
    add_picture_output,
    add_split,
    chosen_weights,
    config_parser,
    docstring_parser,
    exit_status,
    parse_with_overrides,
    path_ending_in,
    run_command,
)
from im2mesh.config.validation import dump_config
from im2mesh.data.dataset import build_windows
from im2mesh.data.layout import Window
from im2mesh.data.windows import find_window
from im2mesh.errors import UserError
from im2mesh.evaluation.predictions import PredictedMeshes
from im2mesh.evaluation.records import Record
from im2mesh.evaluation.report import read_report
from im2mesh.files.results import VIDEO_ENDINGS
from im2mesh.generation.generator import Generator
from im2mesh.machine.devices import build_device
from im2mesh.runs.folder import CONFIG_FILE, PAGE_FILE, RunFolder
from im2mesh.runs.origins import list_origins
from im2mesh.studies.comparison.panels import panels_of_runs
from im2mesh.studies.comparison.runs import common_splits, compare
from im2mesh.studies.moving_file import is_moving_file
from im2mesh.studies.moving_pictures import is_of_pictures
from im2mesh.studies.names import name_runs
from im2mesh.studies.report import Evaluated, evaluation_page, write_page
from im2mesh.studies.training_curves import plot_training
from im2mesh.studies.video import choose_windows, show_file, show_windows
from im2mesh.visualization.color_bar import ErrorScale
from im2mesh.visualization.contact_sheet import draw_contact_sheet
from im2mesh.visualization.error_sheet import ErrorSheet
from im2mesh.visualization.options import add_film, add_sheet_size
from im2mesh.visualization.video.encoding import check_video
from im2mesh.visualization.video.window_scene import VideoSettings
from im2mesh.visualization.window_choice import (
    BY_CORRESPONDENCE,
    BY_SHAPE,
    best_median_worst,
    rank_windows,
)


def main(arguments: Sequence[str]) -> None:
    commands = {
        "sheet": draw_sheet, "errors": draw_errors, "training": draw_training,
        "report": draw_report, "video": draw_video,
    }  # fmt: skip
    run_command("draw.py", commands, arguments, __doc__)


def draw_sheet(arguments: Sequence[str]) -> None:
    """Draw input, prediction and truth of windows that were generated and evaluated.

    By default these are the best, the median and the worst window by IoU (by Chamfer-L1 for point
    sets), so that the picture flatters nobody. With --color error the prediction is coloured by the
    error of each vertex, and the windows are chosen by the correspondence error where there is one.
    Example: python scripts/draw.py sheet configs/demo.yaml --output sheet.png
    """
    args = _parse_sheet(arguments)
    config = build_config(args.config, args.overrides)
    if args.print_config:
        print(dump_config(config), end="")
        return
    folder = RunFolder.of(config)
    split = args.split or config.data.test_split
    windows = build_windows(config, split, stride=config.data.eval_stride)
    records, evaluated = read_report(folder.evaluation(split))
    windows = _chosen_windows(windows, records, args)
    predictions = PredictedMeshes(folder.generation(split))
    shown = build_origin(config, windows, predictions=predictions)
    if evaluated is not None and evaluated.runs != shown.runs:
        raise UserError(
            f"the meshes in {predictions.folder} were made anew after the evaluation; "
            "run eval.py again"
        )
    origin = str(evaluated or shown)
    shown_of = Evaluated(config, windows, predictions, records)
    panels = [shown_of.panel(window, args.color == "error") for window in windows]
    if args.color == "error":
        rows = [{"prediction": panel} for panel in panels]
        _error_sheet(args).draw(rows, args.output, origin)
    else:
        draw_contact_sheet(panels, args.output, args.columns, args.height, origin)
    print(f"{', '.join(map(str, windows))} -> {args.output}")


def _chosen_windows(
    windows: Sequence[Window], records: Sequence[Record], args: argparse.Namespace
) -> list[Window]:
    """The windows that the user names, else the best, the median and the worst."""
    if args.windows:
        return [find_window(windows, name) for name in args.windows]
    metrics = BY_CORRESPONDENCE if args.color == "error" else BY_SHAPE
    chosen = best_median_worst(rank_windows(windows, records, metrics))
    return list(dict.fromkeys(chosen.values()))


def _parse_sheet(arguments: Sequence[str]) -> argparse.Namespace:
    parser = config_parser(draw_sheet.__doc__, "draw.py sheet")
    add_picture_output(parser)
    add_split(parser)
    parser.add_argument("--windows", nargs="+", metavar="CLIP/START", help="such as 01_hips/00000")
    parser.add_argument(
        "--color",
        choices=("correspondence", "error"),
        default="correspondence",
        help="colour meshes by place on the body, or by the error of each vertex",
    )
    add_error_colors(parser, ErrorScale.maximum, "with --color error: ")
    add_sheet_size(parser)
    return parse_with_overrides(parser, arguments)


def draw_errors(arguments: Sequence[str]) -> None:
    """Draw what several runs predicted of the same windows, coloured by the error of each vertex.

    The picture has one row per run, then the truth; all share frames, camera and colours. By
    default it shows the window that the first run does worst by correspondence error.
    Example: python scripts/draw.py errors out/pointcloud/oflow out/pointcloud/psgn4d \\
                 --output sheet.png
    """
    args = _parse_errors(arguments)
    sheet = _error_sheet(args)
    runs = name_runs(args.runs, args.names)
    split = args.split or common_splits(args.runs)[0]
    comparison = compare(runs, split)  # refuses runs that were measured on different windows
    first = comparison.methods[0]
    ranked = rank_windows(sorted(first.measured_windows()), first.records, BY_CORRESPONDENCE)
    named = best_median_worst(ranked)
    windows = [named.get(name) or find_window(ranked, name) for name in args.windows]
    settings = {method.name: method.settings for method in comparison.methods}
    panels = [panels_of_runs(runs, settings, split, window) for window in windows]
    sheet.draw(panels, args.output, list_origins(comparison.origins))
    for difference in comparison.differences():
        print(f"note: {difference}")
    print(f"split {split}: {', '.join(map(str, windows))} -> {args.output}")


def _parse_errors(arguments: Sequence[str]) -> argparse.Namespace:
    parser = docstring_parser(draw_errors.__doc__, "draw.py errors")
    parser.add_argument(
        "runs",
        nargs="+",
        type=Path,
        metavar="RUN",
        help="output folder of a run, with generation/<split> and evaluation/<split> in it",
    )
    add_picture_output(parser)
    parser.add_argument("--names", nargs="+", help="names of the runs, to show instead of paths")
    parser.add_argument("--split", help="split to show (default: the first that every run has)")
    parser.add_argument(
        "--windows",
        nargs="+",
        default=["worst"],
        metavar="WINDOW",
        help="CLIP/START, such as 01_hips/00000 (CLIP/START_step2 where data.frame_step is 2); or "
        "best, median or worst, which are windows of the first run",
    )
    add_error_colors(parser, ErrorScale.maximum)
    add_sheet_size(parser)
    return parser.parse_args(arguments)


def _error_sheet(args: argparse.Namespace) -> ErrorSheet:
    return ErrorSheet(ErrorScale(args.max_error), args.columns, args.height, args.missing)


def draw_training(arguments: Sequence[str]) -> None:
    """Plot what runs logged over their iterations, such as the validation IoU.

    Example: python scripts/draw.py training out/representation_power/oflow \\
                 --tag validation/iou --output curve.png
    """
    args = _parse_training(arguments)
    plot_training(name_runs(args.runs, args.names), args.tag, args.output)
    print(f"written to {args.output}")


def _parse_training(arguments: Sequence[str]) -> argparse.Namespace:
    parser = docstring_parser(draw_training.__doc__, "draw.py training")
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="output folder")
    parser.add_argument("--names", nargs="+", help="names of the runs, in the same order")
    parser.add_argument("--tag", default="validation/iou", help="curve, named as in TensorBoard")
    add_picture_output(parser)
    return parser.parse_args(arguments)


def draw_report(arguments: Sequence[str]) -> None:
    """Write one page about several evaluated runs: numbers, curves, and windows side by side.

    Example: python scripts/draw.py report out/pointcloud/oflow out/pointcloud/local \\
                 --output out/both
    """
    parser = docstring_parser(draw_report.__doc__, "draw.py report")
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="output folder")
    parser.add_argument("--names", nargs="+", help="names of the runs, in the same order")
    parser.add_argument("--split", help="split to show (default: the first that every run has)")
    parser.add_argument("--output", type=Path, required=True, help="folder for report.html")
    args = parser.parse_args(arguments)
    runs = name_runs(args.runs, args.names)
    split = args.split or common_splits(args.runs)[0]
    differences = compare(runs, split).differences()  # refuses runs of different windows
    columns = {}
    for name, path in runs.items():
        folder = RunFolder(path)
        config = build_config(folder.evaluation(split) / CONFIG_FILE)
        columns[name] = Evaluated.read(config, folder, split)
    notes = write_page(args.output, evaluation_page(f"Runs on the split {split}", columns))
    for note in [*differences, *notes]:
        print(f"note: {note}")
    print(f"written to {args.output / PAGE_FILE}")


def draw_video(arguments: Sequence[str]) -> None:
    """Film windows of an evaluated run: input, prediction, truth and error move side by side.

    Without a WINDOW it is the median one by IoU. The file may be an .mp4, a .gif or a .webp. In
    place of a run, a sequence.npz, a moving .glb or .usdc, or the folder of a scan or of pictures
    is shown without a truth.
    Arrows are velocities: on the surface of the prediction, those of its vertices; on a slice
    through the body, the model's field, inside and close to the body, where it has been trained.
    Example: python scripts/draw.py video out/pointcloud/oflow worst --arrows --output worst.mp4
    """
    args = _parse_video(arguments)
    check_video(args.output)
    scale = ErrorScale(args.max_error)
    settings = VideoSettings(args.turntable, args.trails, args.arrows, scale)
    if is_moving_file(args.run) or is_of_pictures(args.run):
        _refuse_of_runs(args)
        clouds = [Path(path) for path in args.clouds or ()]
        shown, what = show_file(args.run, settings, args.fps, clouds, args.up), str(args.run)
    else:
        folder, split = RunFolder(args.run), args.split or common_splits([args.run])[0]
        config = build_config(folder.evaluation(split) / CONFIG_FILE)
        evaluated = Evaluated.read(config, folder, split)
        windows = choose_windows(evaluated, args.windows)
        generator = _generator_of_arrows(args, folder)
        shown = show_windows(evaluated, windows, settings, args.fps, generator)
        what = f"split {split}: {', '.join(map(str, windows))}"
    count = shown.write(args.output, args.height)
    print(f"{what}: {count} frames, {shown.fps:.3g} a second -> {args.output}")


def _refuse_of_runs(args: argparse.Namespace) -> None:
    """Refuse what chooses windows and models of a run, for meshes that are of no run."""
    names = ("windows", "split", "weights", "checkpoint")
    given = [name for name in names if getattr(args, name)]
    if given:
        what = args.windows[0] if given[0] == "windows" else f"--{given[0]}"
        raise UserError(
            f"{args.run} is not the folder of an evaluated run, so {what} has no effect; leave it "
            f"out. For one window of pictures give its folder, {args.run / 'window_00000'}, say"
        )


def _generator_of_arrows(args: argparse.Namespace, folder: RunFolder) -> Generator | None:
    """The model whose velocity field is drawn; None if none is asked for or there."""
    if not args.arrows:
        return None
    file = chosen_weights(args, folder.best_checkpoint)
    if args.weights is None and args.checkpoint is None and not file.exists():
        print(f"note: no weights at {file}, so the field on a slice is left out; give --weights")
        return None
    generator = load_trained(file, build_device(args.device))[1]
    if "motion back" not in generator.model.answers:
        print(f"note: {generator.model.method} has no velocity field, so none is shown on a slice")
        return None
    return generator


def _parse_video(arguments: Sequence[str]) -> argparse.Namespace:
    parser = docstring_parser(draw_video.__doc__, "draw.py video")
    parser.add_argument("run", type=Path, metavar="RUN", help="output folder of a run, or a file")
    parser.add_argument(
        "windows", nargs="*", metavar="WINDOW", help="CLIP/START, or best, median or worst"
    )
    parser.add_argument("--output", type=path_ending_in(*VIDEO_ENDINGS), required=True)
    parser.add_argument("--split", help="split to show (default: the first that was evaluated)")
    add_film(parser)
    add_checkpoint(parser)
    add_device(parser)
    add_max_error(parser, ErrorScale.maximum)
    parser.add_argument("--clouds", nargs="+", metavar="PATH", help="with a file: its input")
    parser.add_argument("--up", choices=["auto", "y", "z"], default="auto", help="with a file")
    return parser.parse_intermixed_args(arguments)


if __name__ == "__main__":
    sys.exit(exit_status(main))
