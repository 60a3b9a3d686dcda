"""Draw pictures of runs: meshes coloured by place or by error, and curves of training."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from im2mesh.build import build_config, build_origin
from im2mesh.command_line import (
    add_error_colors,
    add_picture_output,
    add_sheet_size,
    add_split,
    config_parser,
    docstring_parser,
    exit_status,
    parse_with_overrides,
    run_command,
)
from im2mesh.config.schema import Config
from im2mesh.config.validation import dump_config
from im2mesh.data.dataset import build_windows
from im2mesh.data.frames import StoredWindow
from im2mesh.data.layout import Window
from im2mesh.data.windows import find_window
from im2mesh.errors import UserError
from im2mesh.evaluation.plots import save_figure
from im2mesh.evaluation.predictions import PredictedMeshes
from im2mesh.evaluation.records import Record
from im2mesh.evaluation.report import read_report
from im2mesh.generation.inputs import read_input
from im2mesh.runs.checkpoints import load_checkpoint
from im2mesh.runs.folder import CONFIG_FILE, PAGE_FILE, RunFolder
from im2mesh.runs.logs import read_curve
from im2mesh.runs.origins import list_origins, tell_training
from im2mesh.studies.comparison.runs import common_splits, compare
from im2mesh.studies.names import name_runs
from im2mesh.studies.report import Evaluated, evaluation_page, write_page
from im2mesh.visualization.color_bar import ErrorScale
from im2mesh.visualization.contact_sheet import Panel, draw_contact_sheet, read_panel
from im2mesh.visualization.error_sheet import ErrorSheet
from im2mesh.visualization.vertex_errors import vertex_errors
from im2mesh.visualization.window_choice import (
    BY_CORRESPONDENCE,
    BY_SHAPE,
    best_median_worst,
    rank_windows,
)


def main(arguments: Sequence[str]) -> None:
    commands = {
        "sheet": draw_sheet, "errors": draw_errors, "training": draw_training,
        "report": draw_report,
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
    panels = [_panel(config, window, predictions, records, args.color) for window in windows]
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


def _panel(
    config: Config,
    window: Window,
    predictions: PredictedMeshes,
    records: Sequence[Record],
    color: str,
) -> Panel:
    stored, measured = StoredWindow(config.data.root, window), config.evaluation
    prediction = predictions.read(stored)
    observation = read_input(config, window).observation
    panel = read_panel(stored, prediction, observation, records)
    if color != "error":
        return panel
    errors = vertex_errors(
        stored, prediction, measured.correspondence, measured.project_to_final_mesh
    )
    return replace(panel, errors=errors)


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
    panels = [_panels_of_runs(runs, settings, split, window) for window in windows]
    sheet.draw(panels, args.output, list_origins(comparison.origins))
    for difference in comparison.differences():
        print(f"note: {difference}")
    print(f"split {split}: {', '.join(map(str, windows))} -> {args.output}")


def _panels_of_runs(
    runs: Mapping[str, Path], settings: Mapping[str, Mapping[str, Any]], split: str, window: Window
) -> dict[str, Panel]:
    """Name of a run -> what it predicted for a window, beside the truth as the first run has it."""
    stored = StoredWindow(next(iter(settings.values()))["data.root"], window)
    base = read_panel(stored)
    panels = {}
    for name, path in runs.items():
        prediction = PredictedMeshes(RunFolder(path).generation(split)).read(stored)
        errors = vertex_errors(
            stored,
            prediction,
            settings[name]["evaluation.correspondence"],
            settings[name]["evaluation.project_to_final_mesh"],
        )
        panels[name] = replace(base, prediction=prediction.meshes, errors=errors)
    return panels


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
    figure = Figure(figsize=(6, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    runs = name_runs(args.runs, args.names)
    for name, run in runs.items():
        curve = read_curve(RunFolder(run), args.tag)
        axes.plot(list(curve), list(curve.values()), lw=2, marker="o", ms=3, label=name)
    axes.set(xlabel="iteration", title=args.tag)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    origins = {name: read_training_origin(run) for name, run in runs.items()}
    save_figure(figure, args.output, list_origins(origins))
    print(f"written to {args.output}")


def read_training_origin(run: Path) -> str | None:
    """The origin of a training, as its checkpoint tells it; None if no checkpoint is saved yet."""
    file = RunFolder(run).checkpoint
    if not file.is_file():
        return None
    return tell_training(load_checkpoint(file).state.origins)


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


if __name__ == "__main__":
    sys.exit(exit_status(main))
