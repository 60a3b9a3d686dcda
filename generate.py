"""Generate moving meshes for every window of a split: python generate.py CONFIG [key=value ...]."""

import sys
from collections.abc import Sequence

from im2mesh.build import build_config, build_generator
from im2mesh.command_line import (
    add_checkpoint,
    add_clips,
    add_device,
    add_split,
    chosen_weights,
    config_parser,
    exit_status,
    parse_with_overrides,
)
from im2mesh.config.validation import dump_config
from im2mesh.data.dataset import build_windows
from im2mesh.generation.split import generate_split
from im2mesh.machine.devices import build_device
from im2mesh.machine.ranks import ranks_from_environment
from im2mesh.runs.folder import RunFolder


def main(arguments: Sequence[str]) -> None:
    parser = config_parser("Reconstruct the windows of a split; finished ones are skipped.")
    add_split(parser)
    add_clips(parser)
    parser.add_argument("--num-steps", type=int, help="frames to write (generation.num_steps)")
    add_checkpoint(parser)
    add_device(parser)
    args = parse_with_overrides(parser, arguments)
    if args.num_steps is not None:
        args.overrides.append(f"generation.num_steps={args.num_steps}")
    config = build_config(args.config, args.overrides)
    if args.print_config:
        print(dump_config(config), end="")
        return
    folder = RunFolder.of(config)
    split = args.split or config.data.test_split
    windows = build_windows(config, split, stride=config.data.eval_stride, clips=args.clips)
    checkpoint = chosen_weights(args, folder.best_checkpoint)
    ranks = ranks_from_environment()
    generator = build_generator(config, checkpoint, build_device(args.device, ranks))
    print(f"{len(windows)} windows of split {split} -> {folder.generation(split)}")
    print(generate_split(generator, windows, split, config, folder, ranks))


if __name__ == "__main__":
    sys.exit(exit_status(main))
