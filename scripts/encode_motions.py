"""Write the latent shape and motion codes of every window of a split, and compare with the prior.

Example: python scripts/encode_motions.py configs/generative/oflow.yaml --split train
"""

import argparse
import sys
from collections.abc import Sequence

from im2mesh.build import (
    build_config,
    build_device,
    build_generator,
    build_run_origin,
    build_windows,
)
from im2mesh.command_line import (
    add_checkpoint,
    add_device,
    config_parser,
    exit_status,
    path_ending_in,
)
from im2mesh.config import dump_config
from im2mesh.generation.code_table import encode_windows
from im2mesh.run_folder import RunFolder


def main(arguments: Sequence[str]) -> None:
    args = _parse(arguments)
    config = build_config(args.config, args.overrides)
    if args.print_config:
        print(dump_config(config), end="")
        return
    folder = RunFolder.of(config)
    split = args.split or config.data.train_split
    windows = build_windows(config, split, stride=config.data.eval_stride)
    checkpoint = args.checkpoint or folder.best_checkpoint
    generator = build_generator(config, checkpoint, build_device(args.device))
    table = encode_windows(generator, config, windows)
    output = args.output or folder.codes(split)
    table.save(output, build_run_origin(config, generator, windows, config.generation.seed))
    print(f"{len(windows)} windows of split {split} -> {output}, {output.stem}.csv\n{table}")


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = config_parser("Encode the windows of a split to a table of latent codes.")
    parser.add_argument("--split", help="split file to encode instead of data.train_split")
    parser.add_argument(
        "--output",
        type=path_ending_in(".npz"),
        help="file to write, .npz, instead of <run>/codes/<split>.npz",
    )
    add_checkpoint(parser)
    add_device(parser)
    return parser.parse_intermixed_args(arguments)


if __name__ == "__main__":
    sys.exit(exit_status(main))
