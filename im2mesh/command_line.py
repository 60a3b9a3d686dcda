"""What the entry points share: the config arguments, and errors without a traceback."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from im2mesh.errors import UserError, explain_system_error

EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells report it


def config_parser(description: str) -> argparse.ArgumentParser:
    """A parser with the arguments that every entry point takes."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("config", help="YAML file, such as configs/pointcloud/oflow.yaml")
    parser.add_argument(
        "overrides", nargs="*", metavar="key=value", help="such as training.batch_size=8"
    )
    parser.add_argument(
        "--print-config", action="store_true", help="show the resolved configuration and stop"
    )
    return parser


def measurement_parser(description: str | None, output: Path) -> argparse.ArgumentParser:
    """A parser with the arguments of scripts that measure several runs.

    Args:
        description: The docstring of the script, whose lines are kept.
        output: Folder for the results, unless another is given.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "runs", nargs="+", type=Path, metavar="RUN", help="configs, or output folders of runs"
    )
    parser.add_argument(
        "--names", nargs="+", help="of the runs; those of one name are pooled (seeds of a method)"
    )
    add_split(parser)
    parser.add_argument("--output", type=Path, default=output, help="folder for the results")
    add_device(parser)
    return parser


def add_device(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:<number>")


def add_checkpoint(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--checkpoint", help="weights to use instead of the run's model_best.pt")


def add_split(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--split", help="split file to use instead of data.test_split")


def add_body_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--output", type=Path, help="folder to write, instead of a new one in <run>/latent"
    )


def add_error_colors(parser: argparse.ArgumentParser, largest: float, condition: str = "") -> None:
    """What is shown of the errors of vertices; `condition` precedes the help of each option."""
    parser.add_argument(
        "--max-error",
        type=float,
        default=largest,
        metavar="LENGTH",
        help=f"{condition}where the colours end; 1 is the longest side of the first mesh",
    )
    parser.add_argument(
        "--missing",
        action="store_true",
        help=f"{condition}show on the truth, too, which parts were not predicted",
    )
    parser.add_argument(
        "--close-ups",
        action="store_true",
        help=f"{condition}draw hands, feet and head instead of the whole body",
    )


def add_picture_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--output", type=path_ending_in(".png"), required=True, help="picture to write, .png"
    )


def add_sheet_size(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--columns", type=_positive_int, default=6, help="frames shown")
    parser.add_argument(
        "--height", type=_positive_int, default=300, help="of one image of the picture, pixels"
    )


def exit_status(
    main: Callable[[Sequence[str]], None], arguments: Sequence[str] | None = None
) -> int:
    """Run an entry point; print what a user can put right, let every other error show itself."""
    try:
        main(sys.argv[1:] if arguments is None else arguments)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_USER_ERROR
    except OSError as error:
        explained = explain_system_error(error)
        if explained is None:
            raise
        print(f"error: {explained}", file=sys.stderr)
        return EXIT_USER_ERROR
    except KeyboardInterrupt:
        print("stopped; run the same command again to go on from here", file=sys.stderr)
        return EXIT_INTERRUPTED
    return 0


def path_ending_in(ending: str) -> Callable[[str], Path]:
    """The type of an argument: the file to write, of one format."""

    def parse(text: str) -> Path:
        if Path(text).suffix.lower() != ending:
            raise argparse.ArgumentTypeError(f"must end in {ending}, got {text}")
        return Path(text)

    return parse


def _positive_int(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"must be a whole number above 0, got {text}")
    return int(text)
