"""Translate a config of the authors' code into a config of this project.

Example: python scripts/import_official_config.py ../occupancy_flow/configs/pointcloud/oflow.yaml \\
             my_oflow.yaml

All their defaults are written out. A key or value without a counterpart is refused.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

from im2mesh.build import CHOICES, build_model
from im2mesh.command_line import docstring_parser, exit_status
from im2mesh.compat.config import Translation, translate_config
from im2mesh.compat.config_files import read_official_config
from im2mesh.config.validation import config_from_dict
from im2mesh.errors import ConfigError, UserError
from im2mesh.files.atomic import write_text


def main(arguments: Sequence[str]) -> None:
    args = _parse(arguments)
    if args.out.is_dir() or (args.out.exists() and not args.overwrite):
        raise UserError(f"{args.out} exists; name another file, or replace it with --overwrite")
    done = translate(args.source)
    write_text(args.out, yaml.safe_dump(done.config, sort_keys=False))
    print(f"{args.source} -> {args.out}")
    if done.ignored:
        print(f"left out, as they change no model and no mesh here: {', '.join(done.ignored)}")


def translate(source: Path) -> Translation:
    """A config of theirs in our keys, of which a model can be built."""
    try:
        done = translate_config(read_official_config(source))
        build_model(config_from_dict(done.config, str(source), choices=CHOICES))
        return done
    except ConfigError as error:
        is_named = str(source) in str(error)
        raise ConfigError(str(error) if is_named else f"{source}: {error}") from error


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = docstring_parser(__doc__, "import_official_config.py")
    parser.add_argument("source", type=Path, metavar="IN.yaml", help="config of the authors' code")
    parser.add_argument("out", type=Path, metavar="OUT.yaml", help="config to write")
    parser.add_argument("--overwrite", action="store_true", help="replace OUT.yaml")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(exit_status(main))
