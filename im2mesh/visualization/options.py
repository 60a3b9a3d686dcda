"""Options of the entry points that draw: the size of a sheet, and what a film shows."""

import argparse


def add_sheet_size(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--columns", type=_positive_int, default=6, help="number of frames shown")
    add_cell_height(parser)


def add_cell_height(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--height", type=_positive_int, default=300, help="height of each image, in pixels"
    )


def add_film(parser: argparse.ArgumentParser) -> None:
    """Add options of what a video shows, beside its windows."""
    parser.add_argument(
        "--fps",
        type=_positive_number,
        help="frames a second (default: as many as there were; slower where the video would last "
        "less than two seconds, which it says)",
    )
    parser.add_argument(
        "--height", type=_positive_int, default=360, help="height of each pane, in pixels"
    )
    parser.add_argument("--turntable", action="store_true", help="go around the body once")
    parser.add_argument(
        "--trails", type=_positive_int, default=0, metavar="N", help="points that leave a trail"
    )
    parser.add_argument("--arrows", action="store_true", help="show velocities as arrows")


def _positive_number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0  # refused below
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be a number above 0, got {text}")
    return value


def _positive_int(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"must be a whole number above 0, got {text}")
    return int(text)
