"""Look at data sets, runs, scans and clouds in the browser, and ask a model about them."""

import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from im2mesh.build import build_config, load_trained
from im2mesh.command_line import (
    add_checkpoint,
    add_device,
    add_max_error,
    chosen_weights,
    docstring_parser,
    exit_status,
)
from im2mesh.machine.devices import build_device
from im2mesh.runs.folder import RunFolder
from im2mesh.studies.viewer.desk import Desk, ModelOf
from im2mesh.studies.viewer.library import find_sources
from im2mesh.studies.viewer.live_model import LiveModel
from im2mesh.studies.viewer.source import Source
from im2mesh.visualization.color_bar import ErrorScale
from im2mesh.visualization.viewer.page import live_page
from im2mesh.visualization.viewer.server import LiveServer

PORT = 8090


def main(arguments: Sequence[str]) -> None:
    """Show everything that a folder holds: data sets, runs, reconstructed scans, or clouds.

    Open the address that is printed. On another machine, forward the port first:
    ssh -L 8090:localhost:8090 MACHINE. Ctrl-C ends the viewer.
    Example: python scripts/view.py out/demo --weights local
    """
    parser = docstring_parser(main.__doc__, "view.py")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="folder, or a single file")
    add_checkpoint(parser)
    add_device(parser)
    add_max_error(parser, ErrorScale.maximum)
    parser.add_argument("--port", type=int, default=PORT, help=f"default {PORT}; 0 for a free one")
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen at; 0.0.0.0 lets everybody look"
    )
    args = parser.parse_args(arguments)
    scale = ErrorScale(args.max_error)
    is_given = args.weights is not None or args.checkpoint is not None
    given = chosen_weights(args, Path()) if is_given else None
    model_of = models(given, args.device)
    desk = Desk(find_sources(args.folder, build_config), model_of, scale)
    page = live_page(f"{args.folder}: Occupancy Flow", scale)
    with LiveServer(page, desk.routes, args.host, args.port) as server:
        print(f"{len(desk.sources)} things to look at: open {server.url}", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print("the viewer has ended")
        finally:
            desk.close()


def models(given: Path | None, device: str) -> ModelOf:
    """The weights that were named, at once; else those of each run, when they are needed."""

    @cache
    def load(file: Path) -> LiveModel:
        config, generator = load_trained(file, build_device(device))
        return LiveModel(file.stem if file == given else f"of {file.parent}", config, generator)

    if given is not None:
        named = load(given)
        return lambda source: named

    def of_run(source: Source) -> LiveModel | None:
        file = None if source.run is None else RunFolder(source.run).best_checkpoint
        return load(file) if file is not None and file.exists() else None

    return of_run


if __name__ == "__main__":
    sys.exit(exit_status(main))
