"""Compare runs that were evaluated on the same windows: a table and plots of methods x metrics.

Example: python scripts/compare.py out/pointcloud/oflow out/pointcloud/onet4d --splits test
"""

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from im2mesh.command_line import exit_status
from im2mesh.studies.comparison.report import format_comparisons, write_comparison
from im2mesh.studies.comparison.runs import common_splits, compare
from im2mesh.studies.names import name_runs


def main(arguments: Sequence[str]) -> None:
    args = _parse(arguments)
    runs = name_runs(args.runs, args.names)
    splits = args.splits or common_splits(args.runs)
    comparisons = [compare(runs, split) for split in dict.fromkeys(splits)]
    write_comparison(args.output, comparisons)
    print(format_comparisons(comparisons, width=shutil.get_terminal_size((120, 24)).columns))
    print(f"written to {args.output}")


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Compare runs that eval.py has measured.")
    parser.add_argument(
        "runs",
        nargs="+",
        type=Path,
        metavar="RUN",
        help="output folder of a run, with evaluation/<split> in it",
    )
    parser.add_argument("--splits", nargs="+", help="default: all splits that every run has")
    parser.add_argument("--names", nargs="+", help="names of the runs, to show instead of paths")
    parser.add_argument(
        "--output", type=Path, default=Path("out/comparison"), help="folder for the results"
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(exit_status(main))
