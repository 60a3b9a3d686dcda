"""Pack a data set: one file for each clip and kind, instead of one file for each frame.

A packed data set gives the same samples and has the same fingerprint. It has a hundredth of the
files, and a sample opens two of them instead of nineteen. The data set that is packed stays as it
is. An interrupted run goes on with the same command.

Example: python scripts/pack_dataset.py data/bodies data/bodies-packed
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from im2mesh.command_line import docstring_parser, exit_status
from im2mesh.preparation.pack_dataset import pack_dataset


def main(arguments: Sequence[str]) -> None:
    parser = docstring_parser(__doc__, "pack_dataset.py")
    parser.add_argument("root", type=Path, metavar="ROOT", help="data set in the layout of data.md")
    parser.add_argument("out", type=Path, metavar="OUT", help="folder for the packed data set")
    parser.add_argument("--workers", type=int, default=1, help="processes (default 1)")
    args = parser.parse_args(arguments)
    pack_dataset(args.root, args.out, args.workers)


if __name__ == "__main__":
    sys.exit(exit_status(main))
