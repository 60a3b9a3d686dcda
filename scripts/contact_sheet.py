"""Draw input, prediction and truth of windows that were generated and evaluated.

By default the best, the median and the worst window by IoU (by Chamfer-L1 for point sets), so that
the picture flatters nobody. With --color error the prediction is coloured by the error of each
vertex, and the windows are chosen by the correspondence error where there is one.
Example: python scripts/contact_sheet.py configs/demo.yaml --output sheet.png
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace

from im2mesh.build import build_config, build_origin, build_windows
from im2mesh.command_line import (
    add_error_colors,
    add_picture_output,
    add_sheet_size,
    add_split,
    config_parser,
    exit_status,
)
from im2mesh.config import Config, dump_config
from im2mesh.data.sequences import Window
from im2mesh.errors import UserError
from im2mesh.evaluation import Record
from im2mesh.generation import read_input
from im2mesh.predictions import PredictedMeshes
from im2mesh.reporting import read_report
from im2mesh.run_folder import RunFolder
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
from im2mesh.window_names import find_window


def main(arguments: Sequence[str]) -> None:
    args = _parse(arguments)
    config = build_config(args.config, args.overrides)
    if args.print_config:
        print(dump_config(config), end="")
        return
    folder = RunFolder.of(config)
    split = args.split or config.data.test_split
    windows = build_windows(config, split, stride=config.data.eval_stride)
    records, evaluated = read_report(folder.evaluation(split))
    if args.windows:
        windows = [find_window(windows, name) for name in args.windows]
    else:
        metrics = BY_CORRESPONDENCE if args.color == "error" else BY_SHAPE
        chosen = best_median_worst(rank_windows(windows, records, metrics))
        windows = list(dict.fromkeys(chosen.values()))
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
        sheet = ErrorSheet(
            ErrorScale(args.max_error), args.columns, args.height, args.missing, args.close_ups
        )
        sheet.draw(rows, args.output, origin)
    else:
        draw_contact_sheet(panels, args.output, args.columns, args.height, origin)
    print(f"{', '.join(map(str, windows))} -> {args.output}")


def _panel(
    config: Config,
    window: Window,
    predictions: PredictedMeshes,
    records: Sequence[Record],
    color: str,
) -> Panel:
    root, measured = config.data.root, config.evaluation
    prediction = predictions.read(root, window)
    observation = read_input(config, window).observation
    panel = read_panel(root, window, prediction, observation, records)
    if color != "error":
        return panel
    errors = vertex_errors(
        root, window, prediction, measured.correspondence, measured.project_to_final_mesh
    )
    return replace(panel, errors=errors)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = config_parser("Draw windows as rows input, prediction, truth over time.")
    add_picture_output(parser)
    add_split(parser)
    parser.add_argument("--windows", nargs="+", metavar="CLIP/START", help="such as 01_hips/00000")
    parser.add_argument(
        "--color",
        choices=("correspondence", "error"),
        default="correspondence",
        help="by place on the body, or by the error of each vertex",
    )
    add_error_colors(parser, ErrorScale.maximum, "with --color error: ")
    add_sheet_size(parser)
    return parser.parse_intermixed_args(arguments)


if __name__ == "__main__":
    sys.exit(exit_status(main))
