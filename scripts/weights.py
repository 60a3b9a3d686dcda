"""Weights to give to others: list those that ship, or take them out of the checkpoint of a run.

Examples:
    python scripts/weights.py list
    python scripts/weights.py export out/pointcloud/local/model_best.pt mine.safetensors
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from im2mesh.command_line import docstring_parser, exit_status, run_command
from im2mesh.errors import UserError
from im2mesh.files.tensor_files import checksum
from im2mesh.pretrained.shipped import ENDING, FOLDER, find_prior, find_weights, shipped_names
from im2mesh.runs.trained import read_trained, rounded, write_weights


def main(arguments: Sequence[str]) -> None:
    run_command("weights.py", {"list": list_weights, "export": export}, arguments, __doc__)


def list_weights(arguments: Sequence[str]) -> None:
    """Print name, size and checksum of the weights that ship, and where their model cards lie.

    Example: python scripts/weights.py list
    """
    docstring_parser(list_weights.__doc__, "weights.py list").parse_args(arguments)
    for name in shipped_names():
        path = find_weights(name)
        digest = checksum(read_trained(path).model)
        prior = find_prior(name)
        also = f"  and a prior of its codes, {_megabytes(prior)}" if prior else ""
        print(f"{name}  {_megabytes(path)}  checksum {digest[:16]}{also}")
    print(f"model cards: {FOLDER}/*.md")


def export(arguments: Sequence[str]) -> None:
    """Write the weights of a checkpoint, its configuration and its origin to a file.

    Example: python scripts/weights.py export out/pointcloud/local/model_best.pt mine.safetensors
    """
    parser = docstring_parser(export.__doc__, "weights.py export")
    parser.add_argument("checkpoint", type=Path, help="such as <run>/model_best.pt")
    parser.add_argument("output", type=Path, metavar=f"OUT{ENDING}")
    parser.add_argument("--overwrite", action="store_true", help="replace the file")
    parser.add_argument(
        "--half", action="store_true", help="round to half precision: a file of half the size"
    )
    args = parser.parse_args(arguments)
    if args.output.suffix != ENDING:
        raise UserError(f"{args.output} must end in {ENDING}")
    if args.output.exists() and not args.overwrite:
        raise UserError(f"{args.output} exists; choose another name, or pass --overwrite")
    trained = read_trained(args.checkpoint)
    write_weights(args.output, rounded(trained) if args.half else trained)
    print(f"{args.output}: {_megabytes(args.output)}")


def _megabytes(path: Path) -> str:
    return f"{path.stat().st_size / 1e6:.1f} MB"


if __name__ == "__main__":
    sys.exit(exit_status(main))
