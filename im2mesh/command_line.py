"""What the entry points share: the config arguments, and errors without a traceback."""

import argparse
import inspect
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from tqdm import tqdm

from im2mesh.errors import Advice, UserError, explain_system_error
from im2mesh.pretrained.shipped import find_weights, shipped_names

EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells report it

EntryPoint = Callable[[Sequence[str]], None]
"""A function of the arguments of the command line."""


def docstring_parser(description: str | None, program: str | None) -> argparse.ArgumentParser:
    """A parser without arguments.

    Args:
        description: Sentence, or docstring whose lines are kept.
        program: Name of the entry point in the usage; None for the name of its file.
    """
    return argparse.ArgumentParser(
        prog=program,
        description=inspect.cleandoc(description or ""),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def config_parser(description: str | None, program: str | None = None) -> argparse.ArgumentParser:
    """A parser with the arguments that every entry point takes (see `docstring_parser`)."""
    parser = docstring_parser(description, program)
    parser.add_argument("config", help="YAML file, such as configs/pointcloud/oflow.yaml")
    parser.add_argument(
        "overrides", nargs="*", metavar="key=value", help="settings, such as training.batch_size=8"
    )
    parser.add_argument(
        "--print-config", action="store_true", help="show the resolved configuration and stop"
    )
    return parser


def measurement_parser(
    description: str | None, program: str, output: Path
) -> argparse.ArgumentParser:
    """A parser for commands that measure several runs (see `docstring_parser`).

    Args:
        output: Default folder for the results.
    """
    parser = docstring_parser(description, program)
    parser.add_argument(
        "runs", nargs="+", type=Path, metavar="RUN", help="configs, or output folders of runs"
    )
    parser.add_argument(
        "--names", nargs="+", help="names of the runs; equal ones are pooled (seeds of a method)"
    )
    add_split(parser)
    parser.add_argument("--output", type=Path, default=output, help="folder for the results")
    add_device(parser)
    return parser


def add_clips(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--clips", nargs="+", metavar="NAME", help="only these clips of the split")


def parse_with_overrides(
    parser: argparse.ArgumentParser, arguments: Sequence[str]
) -> argparse.Namespace:
    """Parse arguments where options, names and `key=value` alternate.

    An option that takes several names would swallow the settings that follow it: in
    `--clips A data.root=x`, the last word is a setting.
    """
    args = parser.parse_intermixed_args(arguments)
    for key in {"clips", "windows", "clouds", "images", "motion_of", "body_of"} & vars(args).keys():
        words = getattr(args, key) or []
        settings = [word for word in words if re.match(r"[a-z_]+(\.\w+)*=", word)]
        names = [word for word in words if word not in settings]
        if settings and not names:
            parser.error(f"argument --{key.replace('_', '-')}: expected at least one name")
        args.overrides += settings
        setattr(args, key, names or None)
    return args


def add_device(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:<number>")


def add_checkpoint(parser: argparse.ArgumentParser) -> None:
    either = parser.add_mutually_exclusive_group()
    either.add_argument("--checkpoint", help="file to use instead of the run's model_best.pt")
    shipped = ", ".join(shipped_names()) or "none yet"
    either.add_argument(
        "--weights",
        metavar="NAME",
        help=f"weights that ship with the package ({shipped}), or a .safetensors file",
    )


def chosen_weights(
    args: argparse.Namespace, best_of_run: Path, without_run: Path | None = None
) -> Path:
    """The file that --weights or --checkpoint names, or else the best of the run; `without_run` if
    it has none.

    Raises:
        UserError: If no weights have that name.
    """
    if args.weights is not None:
        return find_weights(args.weights, other=", or a checkpoint with --checkpoint")
    if args.checkpoint is not None:
        return Path(args.checkpoint)
    return best_of_run if without_run is None or best_of_run.exists() else without_run


def add_split(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--split", help="split file to use instead of data.test_split")


def add_body_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--output", type=Path, help="folder to write, instead of a new one in <run>/latent"
    )


def add_error_colors(parser: argparse.ArgumentParser, largest: float, condition: str = "") -> None:
    """Add options for vertex errors shown as colours; `condition` precedes their help texts."""
    add_max_error(parser, largest, condition)
    parser.add_argument(
        "--missing",
        action="store_true",
        help=f"{condition}also show on the true mesh which parts were not predicted",
    )


def add_max_error(parser: argparse.ArgumentParser, largest: float, condition: str = "") -> None:
    """Add the option --max-error; `condition` precedes its help text."""
    parser.add_argument(
        "--max-error",
        type=float,
        default=largest,
        metavar="LENGTH",
        help=f"{condition}error where colours end; 1 is the longest side of the first mesh",
    )


def add_picture_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--output", type=path_ending_in(".png"), required=True, help="picture to write, .png"
    )


def run_command(
    program: str,
    commands: Mapping[str, EntryPoint],
    arguments: Sequence[str],
    description: str | None,
) -> None:
    """Run the command that the first argument names, with the arguments that follow it.

    With `--help` in place of the name, the commands are listed. argparse has subcommands of its
    own, but they do not let options and `key=value` alternate.

    Args:
        program: Name of the script in messages, such as "latent.py".
        commands: Name -> entry point; the first line of its docstring says what it does.
        arguments: Arguments of the command line.
        description: Docstring of the script.

    Raises:
        UserError: If no command is named, or an unknown one.
    """
    name, *rest = arguments or [""]
    if name in commands:
        commands[name](rest)
    elif name in ("-h", "--help"):
        print(
            f"usage: {program} COMMAND ...\n\n{inspect.cleandoc(description or '')}\n\n"
            f"commands:\n{_listed(commands)}\n\n"
            f"{program} COMMAND --help says more about a command, and lists its arguments."
        )
    else:
        problem = f"{program} has no command {name}" if name else f"{program} needs a command"
        raise UserError(f"{problem}; choose one of:\n{_listed(commands)}")


def _listed(commands: Mapping[str, EntryPoint]) -> str:
    """One line per command: its name, and the first line of its docstring."""
    width = max(map(len, commands))
    docstrings = {name: inspect.getdoc(main) or "" for name, main in commands.items()}
    return "\n".join(
        f"  {name:{width}}  {text.splitlines()[0]}" for name, text in docstrings.items()
    )


def exit_status(main: EntryPoint, arguments: Sequence[str] | None = None) -> int:
    """Run an entry point; print errors that a user can put right, and let all others through."""
    try:
        with _warnings_beside_progress():
            main(sys.argv[1:] if arguments is None else arguments)
    except (UserError, OSError) as error:
        explained = str(error) if isinstance(error, UserError) else explain_system_error(error)
        if explained is None:
            raise
        print(f"error: {explained}", file=sys.stderr)
        return EXIT_USER_ERROR
    except KeyboardInterrupt:
        print("stopped; run the same command again to go on from here", file=sys.stderr)
        return EXIT_INTERRUPTED
    return 0


@contextmanager
def _warnings_beside_progress() -> Iterator[None]:
    """Print warnings on lines of their own, above a progress bar. Ours look like errors, without
    the line of code that they come from."""
    shown = warnings.showwarning

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        text = warnings.formatwarning(message, category, filename, lineno, line).rstrip()
        is_ours = issubclass(category, Advice)
        tqdm.write(f"warning: {message}" if is_ours else text, file=file or sys.stderr)

    warnings.showwarning = show
    try:
        yield
    finally:
        warnings.showwarning = shown


def path_ending_in(*endings: str) -> Callable[[str], Path]:
    """The type of an argument that names a file to write, with one of these endings."""
    listed = " or ".join(filter(None, (", ".join(endings[:-1]), endings[-1])))

    def parse(text: str) -> Path:
        if Path(text).suffix.lower() not in endings:
            raise argparse.ArgumentTypeError(f"must end in {listed}, got {text}")
        return Path(text)

    return parse
