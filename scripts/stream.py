"""Train on packed clips of a web server or an object store, with a cache on this machine.

`publish` writes the catalogue of a packed data set; then any web server, or a bucket, may serve its
folder. `open` makes a folder that is used like any data set: a packed file is fetched when it is
first needed, checked, and kept while there is room. Samples, their order and resumed trainings are
those of the same data on a disk.

Examples:
    python scripts/stream.py publish data/bodies-packed
    python scripts/stream.py open https://data.example.org/bodies-packed data/bodies --max-gb 100
    python train.py configs/pointcloud/oflow.yaml data.root=data/bodies
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from im2mesh.command_line import docstring_parser, exit_status
from im2mesh.data.streaming import open_stream
from im2mesh.files.sizes import in_words
from im2mesh.preparation.publishing import publish

GB = 1e9


def main(arguments: Sequence[str]) -> None:
    args = _parser().parse_args(arguments)
    if args.command == "publish":
        print(f"wrote {publish(args.root, args.workers)}")
        return
    stream = open_stream(
        args.url, args.root, None if args.max_gb is None else int(args.max_gb * GB)
    )
    clips = stream.catalogue.clips.values()
    size = sum(file.size for clip in clips for file in clip.files.values())
    print(
        f"{args.root} stands for {len(clips)} clips, {in_words(size)}, of {stream.url}; use it as "
        "data.root"
    )


def _parser() -> argparse.ArgumentParser:
    parser = docstring_parser(__doc__, "stream.py")
    commands = parser.add_subparsers(dest="command", required=True)
    published = commands.add_parser("publish", help="write the catalogue of a packed data set")
    published.add_argument("root", type=Path, metavar="ROOT", help="data set with packed clips")
    published.add_argument("--workers", type=int, default=1, help="processes (default 1)")
    opened = commands.add_parser("open", help="make a folder that fetches what it is asked for")
    opened.add_argument("url", metavar="URL", help="where the folder of the catalogue is served")
    opened.add_argument("root", type=Path, metavar="FOLDER", help="folder of the cache")
    opened.add_argument("--max-gb", type=float, help="most that it may hold (default: everything)")
    return parser


if __name__ == "__main__":
    sys.exit(exit_status(main))
