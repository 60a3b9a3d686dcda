"""Blend the shape or the motion code of two windows; the other code stays that of the first.

Writes one moving mesh per step, in the normalised coordinates of the first frame; loc and scale of
the files are those of --from. Models with encoders are blended, too: their conditioned codes.
Example: python scripts/interpolate_latent.py configs/generative/oflow.yaml \
--from 01_hips/00000 --to 02_arms/00000 --what motion
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
    add_body_output,
    add_checkpoint,
    add_device,
    add_sheet_size,
    add_split,
    config_parser,
    exit_status,
)
from im2mesh.config import dump_config
from im2mesh.generation.latent import CODE_NAMES, encode_body, interpolate
from im2mesh.generation.latent_files import result_name, write_bodies
from im2mesh.run_folder import RunFolder
from im2mesh.window_names import find_window


def main(arguments: Sequence[str]) -> None:
    args = _parse(arguments)
    config = build_config(args.config, args.overrides)
    if args.print_config:
        print(dump_config(config), end="")
        return
    folder = RunFolder.of(config)
    split = args.split or config.data.test_split
    windows = build_windows(config, split, stride=config.data.eval_stride)
    first, last = find_window(windows, args.first), find_window(windows, args.last)
    checkpoint = args.checkpoint or folder.best_checkpoint
    generator = build_generator(config, checkpoint, build_device(args.device))
    bodies = interpolate(
        encode_body(generator, config, first, "from"),
        encode_body(generator, config, last, "to"),
        args.what,
        args.steps,
    )
    output = args.output or folder.latent(result_name("interpolate", args.what, first, last))
    title = f"{args.what} from {first} to {last}"
    report = write_bodies(
        generator,
        bodies,
        config,
        output,
        title,
        build_run_origin(config, generator, [first, last], config.generation.seed),
        num_columns=args.columns,
        cell_height=args.height,
    )
    print(report)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = config_parser(
        "Blend one code of two windows: latent codes, and conditioned ones of models with encoders."
    )
    where = {"required": True, "metavar": "CLIP/START"}
    parser.add_argument("--from", dest="first", help="such as 01_hips/00000", **where)
    parser.add_argument("--to", dest="last", help="such as 02_arms/00000", **where)
    parser.add_argument("--what", choices=CODE_NAMES, required=True, help="code to blend")
    parser.add_argument("--steps", type=int, default=5, help="moving meshes, both ends included")
    add_split(parser)
    add_checkpoint(parser)
    add_body_output(parser)
    add_sheet_size(parser)
    add_device(parser)
    return parser.parse_intermixed_args(arguments)


if __name__ == "__main__":
    sys.exit(exit_status(main))
