"""Train a model: python train.py CONFIG [key=value ...]. Run again to resume.

On several GPUs: torchrun --nproc-per-node 8 train.py CONFIG (docs/scaling.md).
"""

import math
import sys
from collections.abc import Sequence
from contextlib import ExitStack

from im2mesh.build import build_config, build_trainer
from im2mesh.command_line import add_device, config_parser, exit_status
from im2mesh.config.validation import dump_config
from im2mesh.errors import UserError
from im2mesh.machine.devices import build_device
from im2mesh.machine.processes import process_group
from im2mesh.machine.ranks import ranks_from_environment
from im2mesh.runs.folder import RunFolder
from im2mesh.training.stopping import stop_on_signal


def main(arguments: Sequence[str]) -> None:
    parser = config_parser("Train a model, or go on where the last run of this config stopped.")
    parser.add_argument(
        "--exit-after", type=float, default=math.inf, metavar="SECONDS", help="save and stop then"
    )
    parser.add_argument(
        "--fresh", action="store_true", help="rename the folder of an older run and start anew"
    )
    add_device(parser)
    args = parser.parse_intermixed_args(arguments)
    config = build_config(args.config, args.overrides)
    if args.print_config:
        print(dump_config(config), end="")
        return
    ranks = ranks_from_environment()
    device, folder = build_device(args.device, ranks), RunFolder.of(config)
    if args.fresh and ranks.world_size > 1:
        raise UserError(
            f"--fresh is for one process: several would set the run aside at every restart; move "
            f"{folder.path} away, or choose another output_dir"
        )
    # signals count from here on: while libraries are still loading, an interrupt may get lost
    with ExitStack() as held:
        stop = held.enter_context(stop_on_signal())
        held.enter_context(process_group(ranks, device))
        trainer = build_trainer(config, device, ranks)  # missing data leave the folder as it is
        if config.training.visualize_every:
            # nothing that draws is imported unless it is asked for
            from im2mesh.generation.training_pictures import build_pictures

            trainer.draw = build_pictures(config).draw
        if args.fresh:
            trainer.start()  # the weights that it starts from may lie in the folder that is moved
            if old := folder.set_aside(config.data.root):
                print(f"the run in {folder.path} is now in {old}")
        if ranks.is_main:
            held.enter_context(folder.for_training())
        if not args.fresh:
            checkpoint = trainer.resume()
            if checkpoint is None:
                trainer.start()
            elif ranks.is_main:
                print(f"resuming {checkpoint} at iteration {trainer.state.iteration}")
        begun_at = trainer.state.iteration
        trainer.fit(args.exit_after, stop)
    if ranks.is_main and trainer.state.iteration > begun_at:
        print(f"saved {folder.checkpoint} at iteration {trainer.state.iteration}")


if __name__ == "__main__":
    sys.exit(exit_status(main))
