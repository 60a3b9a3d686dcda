"""Look at data sets, runs, scans and clouds in the browser, and ask a model about them."""

import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from im2mesh.build import build_config, load_trained
from im2mesh.command_line import (
    add_checkpoint,
    add_device,
    add_max_error,
    chosen_weights,
    docstring_parser,
    exit_status,
)
from im2mesh.config.schema import Config
from im2mesh.generation.generator import Generator
from im2mesh.machine.devices import build_device
from im2mesh.studies.viewer.desk import Desk
from im2mesh.studies.viewer.library import find_sources
from im2mesh.studies.viewer.model_shelf import ModelShelf
from im2mesh.visualization.color_bar import ErrorScale
from im2mesh.visualization.viewer.page import live_page
from im2mesh.visualization.viewer.server import LiveServer

PORT = 8090


def main(arguments: Sequence[str]) -> None:
    """Show everything that a folder holds: data sets, runs, reconstructed scans, or clouds.

    Open the address that is printed, with its token. On another machine, forward the port first:
    ssh -L 8090:localhost:8090 MACHINE. Ctrl-C ends the viewer.
    Example: python scripts/view.py out/demo
    """
    parser = docstring_parser(main.__doc__, "view.py")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="folder, or a single file")
    add_checkpoint(parser)
    add_device(parser)
    add_max_error(parser, ErrorScale.maximum)
    parser.add_argument("--port", type=int, default=PORT, help=f"default {PORT}; 0 for a free one")
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen at; 0.0.0.0 lets all look who know the address",
    )
    args = parser.parse_args(arguments)
    scale = ErrorScale(args.max_error)
    is_given = args.weights is not None or args.checkpoint is not None
    shelf = model_shelf(chosen_weights(args, Path()) if is_given else None, args.device)
    desk = Desk(find_sources(args.folder, build_config), shelf.model_of, scale)
    page = live_page(f"{args.folder}: Occupancy Flow", scale)
    with LiveServer(page, desk.routes, args.host, args.port) as server, ended_by_signals():
        count = len(desk.sources)
        things = f"{count} thing{'' if count == 1 else 's'} to look at"
        print(f"{things}: open {server.url}", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print("the viewer has ended")
        finally:
            desk.close()


def model_shelf(named: Path | None, device: str) -> ModelShelf:
    """The models of the viewer. Weights that were named are loaded at once, so that it is told
    before the page is opened if they cannot be."""

    def load(file: Path) -> tuple[Config, Generator]:
        return load_trained(file, build_device(device))

    shelf = ModelShelf(load, named)
    if named is not None:
        shelf.get(named, named.stem)
    return shelf


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Let what ends a program from outside end it as Ctrl-C does, so that what was dropped into the
    page is removed. A signal that is ignored, as under nohup, stays so."""

    def end(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    names = [name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    numbers = [getattr(signal, name) for name in names]
    replaced = [number for number in numbers if signal.getsignal(number) is signal.SIG_DFL]
    for number in replaced:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in replaced:
            signal.signal(number, signal.SIG_DFL)


if __name__ == "__main__":
    sys.exit(exit_status(main))
