"""Train a model: python train.py CONFIG [key=value ...]. Run again to resume."""

import math
import sys
from collections.abc import Sequence

from im2mesh.build import build_config, build_device, build_trainer
from im2mesh.command_line import add_device, config_parser, exit_status
from im2mesh.config import dump_config
from im2mesh.run_folder import RunFolder


def main(arguments: Sequence[str]) -> None:
    parser = config_parser("Train a model, or go on where the last run of this config stopped.")
    parser.add_argument(
        "--exit-after", type=float, default=math.inf, metavar="SECONDS", help="save and stop then"
    )
    parser.add_argument(
        "--fresh", action="store_true", help="set a present run aside and start from the beginning"
    )
    add_device(parser)
    args = parser.parse_intermixed_args(arguments)
    config = build_config(args.config, args.overrides)
    if args.print_config:
        print(dump_config(config), end="")
        return
    folder = RunFolder.of(config)
    if args.fresh and (old := folder.set_aside(config.data.root)):
        print(f"the run in {folder.path} is now in {old}")
    trainer = build_trainer(config, build_device(args.device))
    if trainer.resume():
        print(f"resuming {folder.checkpoint} at iteration {trainer.iteration}")
    else:
        trainer.load_pretrained()
    trainer.fit(exit_after=args.exit_after)
    print(f"saved {folder.checkpoint} at iteration {trainer.iteration}")


if __name__ == "__main__":
    sys.exit(exit_status(main))
