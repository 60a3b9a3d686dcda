"""Draw what several runs predicted of the same windows, coloured by the error of each vertex.

One row per run, then the truth; all share frames, camera and colours. By default the window that
the first run does worst by correspondence error.
Example: python scripts/error_sheet.py out/pointcloud/oflow out/pointcloud/psgn4d --output sheet.png
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from im2mesh.command_line import (
    add_error_colors,
    add_picture_output,
    add_sheet_size,
    exit_status,
)
from im2mesh.comparison.runs import common_splits, compare, name_runs
from im2mesh.data.sequences import Window
from im2mesh.origins import list_origins
from im2mesh.predictions import PredictedMeshes
from im2mesh.run_folder import RunFolder
from im2mesh.visualization.color_bar import ErrorScale
from im2mesh.visualization.contact_sheet import Panel, read_panel
from im2mesh.visualization.error_sheet import ErrorSheet
from im2mesh.visualization.vertex_errors import vertex_errors
from im2mesh.visualization.window_choice import (
    BY_CORRESPONDENCE,
    best_median_worst,
    rank_windows,
)
from im2mesh.window_names import find_window


def main(arguments: Sequence[str]) -> None:
    args = _parse(arguments)
    sheet = ErrorSheet(
        ErrorScale(args.max_error), args.columns, args.height, args.missing, args.close_ups
    )
    runs = name_runs(args.runs, args.names)
    split = args.split or common_splits(args.runs)[0]
    comparison = compare(runs, split)  # refuses runs that were measured on different windows
    first = comparison.methods[0]
    window_shape = first.settings["data.num_frames"], first.settings["data.frame_step"]
    ranked = rank_windows(
        [Window(*key, *window_shape) for key in sorted(first.windows)],
        first.records,
        BY_CORRESPONDENCE,
    )
    named = best_median_worst(ranked)
    windows = [named.get(name) or find_window(ranked, name) for name in args.windows]
    settings = {method.name: method.settings for method in comparison.methods}
    panels = [_panels(runs, settings, split, window) for window in windows]
    sheet.draw(panels, args.output, list_origins(comparison.origins))
    for difference in comparison.differences():
        print(f"note: {difference}")
    print(f"split {split}: {', '.join(map(str, windows))} -> {args.output}")


def _panels(
    runs: Mapping[str, Path], settings: Mapping[str, Mapping[str, Any]], split: str, window: Window
) -> dict[str, Panel]:
    """What each run predicted of a window; the truth is that of the first."""
    root = next(iter(settings.values()))["data.root"]
    base = read_panel(root, window)
    panels = {}
    for name, path in runs.items():
        prediction = PredictedMeshes(RunFolder(path).generation(split)).read(root, window)
        errors = vertex_errors(
            root,
            window,
            prediction,
            settings[name]["evaluation.correspondence"],
            settings[name]["evaluation.project_to_final_mesh"],
        )
        panels[name] = replace(base, prediction=prediction.meshes, errors=errors)
    return panels


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Draw the errors of several runs, by vertex.")
    parser.add_argument(
        "runs",
        nargs="+",
        type=Path,
        metavar="RUN",
        help="output folder of a run, with generation/<split> and evaluation/<split> in it",
    )
    add_picture_output(parser)
    parser.add_argument("--names", nargs="+", help="of the runs, instead of their paths")
    parser.add_argument("--split", help="instead of the first that every run has")
    parser.add_argument(
        "--windows",
        nargs="+",
        default=["worst"],
        metavar="WINDOW",
        help="CLIP/START, such as 01_hips/00000 (CLIP/START_step2 where data.frame_step is 2); or "
        "best, median, worst, of the first run",
    )
    add_error_colors(parser, ErrorScale.maximum)
    add_sheet_size(parser)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(exit_status(main))
