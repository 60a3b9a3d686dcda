"""Draw input, prediction and truth of windows that were generated and evaluated.

By default the best, the median and the worst window by IoU (by Chamfer-L1 for point sets), so that
the picture flatters nobody.
Example: python scripts/contact_sheet.py configs/demo.yaml --output sheet.png
"""

import argparse
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from im2mesh.build import build_config, build_windows
from im2mesh.command_line import add_sheet_size, add_split, config_parser, exit_status
from im2mesh.config import dump_config
from im2mesh.data.sequences import Window
from im2mesh.errors import UserError
from im2mesh.evaluation import Record
from im2mesh.generation import read_input
from im2mesh.predictions import PredictedMeshes
from im2mesh.reporting import read_records
from im2mesh.run_folder import RunFolder
from im2mesh.visualization.contact_sheet import draw_contact_sheet, read_panel
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
    records = read_records(folder.evaluation_records(split))
    if args.windows:
        windows = [find_window(windows, name) for name in args.windows]
    else:
        windows = best_median_worst(windows, records)
    predictions = PredictedMeshes(folder.generation(split))
    panels = [
        read_panel(
            config.data.root,
            window,
            predictions.read(config.data.root, window),
            read_input(config, window).observation,
            records,
        )
        for window in windows
    ]
    draw_contact_sheet(panels, args.output, args.columns, args.height)
    print(f"{', '.join(map(str, windows))} -> {args.output}")


def best_median_worst(windows: Sequence[Window], records: Sequence[Record]) -> list[Window]:
    """Three windows by a mean over frames: of the IoU, or where there is none of Chamfer-L1."""
    has_iou = any(record.metric == "iou" for record in records)
    metric, sign = ("iou", -1) if has_iou else ("chamfer_l1", 1)
    values = defaultdict(list)
    for record in records:
        if record.metric == metric:
            values[record.category, record.clip, record.start].append(record.value)
    known = [w for w in windows if (w.category, w.clip, w.start) in values]
    if not known:
        raise UserError(f"no window of this split has a value of {metric}; run eval.py first")
    means = {w: np.mean(values[w.category, w.clip, w.start]) for w in known}
    ranked = sorted(known, key=lambda window: sign * means[window])
    chosen = [ranked[0], ranked[(len(ranked) - 1) // 2], ranked[-1]]
    return list(dict.fromkeys(chosen))


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = config_parser("Draw windows as rows input, prediction, truth over time.")
    parser.add_argument("--output", type=Path, required=True, help="picture to write, .png")
    add_split(parser)
    parser.add_argument("--windows", nargs="+", metavar="CLIP/START", help="such as 01_hips/00000")
    add_sheet_size(parser)
    return parser.parse_intermixed_args(arguments)


if __name__ == "__main__":
    sys.exit(exit_status(main))
