"""Weights to give to others: list those that ship, or take them out of the checkpoint of a run.

Examples:
    python scripts/weights.py list
    python scripts/weights.py export out/pointcloud/local/model_best.pt mine.safetensors
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from im2mesh.command_line import docstring_parser, exit_status
from im2mesh.errors import UserError
from im2mesh.pretrained.shipped import ENDING, FOLDER, find_weights, shipped_names
from im2mesh.runs.trained import checksum, read_trained, write_weights


def main(arguments: Sequence[str]) -> None:
    args = _parse(arguments)
    args.run(args)


def list_weights(_args: argparse.Namespace) -> None:
    """Print name, size and checksum of the weights that ship, and where their model cards lie."""
    for name in shipped_names():
        path = find_weights(name)
        digest = checksum(read_trained(path).model)
        print(f"{name}  {path.stat().st_size / 1e6:.1f} MB  checksum {digest[:16]}")
    print(f"model cards: {FOLDER}/*.md")


def export(args: argparse.Namespace) -> None:
    """Write the weights of a checkpoint, its configuration and its origin."""
    if args.output.suffix != ENDING:
        raise UserError(f"{args.output} must end in {ENDING}")
    if args.output.exists() and not args.overwrite:
        raise UserError(f"{args.output} exists; choose another name, or pass --overwrite")
    write_weights(args.output, read_trained(args.checkpoint))
    print(f"{args.output}: {args.output.stat().st_size / 1e6:.1f} MB")


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = docstring_parser(__doc__, "scripts/weights.py")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    listing = commands.add_parser("list", help="weights that ship with the package")
    listing.set_defaults(run=list_weights)
    exporting = commands.add_parser("export", help="weights of a checkpoint -> .safetensors")
    exporting.add_argument("checkpoint", type=Path, help="such as <run>/model_best.pt")
    exporting.add_argument("output", type=Path, metavar="OUT.safetensors")
    exporting.add_argument("--overwrite", action="store_true", help="replace the file")
    exporting.set_defaults(run=export)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(exit_status(main))
