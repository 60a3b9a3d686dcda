"""Check a data set before hours of training: read every file, and ask whether it is plausible.

Prints how much there is of each split, then what has to be mended, one line each. Lines with
"(advice)" may be as meant. The exit status is 0 if nothing has to be mended, else 2.

Examples:
    python scripts/check_dataset.py data/D-FAUST --workers 8
    python scripts/check_dataset.py data/bodies --sheet clips.png
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from im2mesh.command_line import docstring_parser, exit_status, path_ending_in
from im2mesh.preparation.checks.dataset_check import check_dataset
from im2mesh.preparation.checks.verdict import draw_sheet, tell_verdict


def main(arguments: Sequence[str]) -> None:
    args = _parser().parse_args(arguments)
    reports = check_dataset(args.root, args.categories, args.workers)
    if args.sheet is not None:
        draw_sheet(args.root, reports, args.sheet)
    tell_verdict(args.root, reports)


def _parser() -> argparse.ArgumentParser:
    parser = docstring_parser(__doc__, "check_dataset.py")
    add = parser.add_argument
    add("root", type=Path, metavar="ROOT", help="folder of the data set, which holds categories")
    add("--categories", nargs="+", metavar="NAME", help="only these categories")
    add(
        "--sheet",
        type=path_ending_in(".png"),
        metavar="PICTURE",
        help="draw the first clip of each split into this .png; needs pyvista",
    )
    add("--workers", type=int, default=1, help="processes (default 1)")
    return parser


if __name__ == "__main__":
    sys.exit(exit_status(main))
