"""Invent bodies and motions: shape and motion codes drawn from the prior N(0, I).

Writes one moving mesh per sample, in the normalised coordinates of its first frame; an invented
body has no place in the world.
Example: python scripts/sample_prior.py configs/generative/oflow.yaml --count 4
"""

import argparse
import sys
from collections.abc import Sequence

from im2mesh.build import build_config, build_device, build_generator, build_run_origin
from im2mesh.command_line import (
    add_body_output,
    add_checkpoint,
    add_device,
    add_sheet_size,
    config_parser,
    exit_status,
)
from im2mesh.config import dump_config
from im2mesh.generation.latent import sample_prior
from im2mesh.generation.latent_files import result_name, write_bodies
from im2mesh.run_folder import RunFolder


def main(arguments: Sequence[str]) -> None:
    args = _parse(arguments)
    config = build_config(args.config, args.overrides)
    if args.print_config:
        print(dump_config(config), end="")
        return
    folder = RunFolder.of(config)
    checkpoint = args.checkpoint or folder.best_checkpoint
    generator = build_generator(config, checkpoint, build_device(args.device))
    bodies = sample_prior(generator, args.count, args.seed)
    output = args.output or folder.latent(result_name("samples", "seed", args.seed))
    title = f"drawn from the prior, seed {args.seed}"
    report = write_bodies(
        generator,
        bodies,
        config,
        output,
        title,
        build_run_origin(config, generator, [], args.seed),
        num_columns=args.columns,
        cell_height=args.height,
    )
    print(report)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = config_parser("Draw bodies and motions of a model with latent codes alone.")
    parser.add_argument("--count", type=int, default=4, help="samples")
    parser.add_argument("--seed", type=int, default=0, help="the same gives the same samples")
    add_checkpoint(parser)
    add_body_output(parser)
    add_sheet_size(parser)
    add_device(parser)
    return parser.parse_intermixed_args(arguments)


if __name__ == "__main__":
    sys.exit(exit_status(main))
