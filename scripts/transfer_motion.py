"""Let the body of one window move as that of another: motion code of A, shape code of B.

Writes three moving meshes: A and B as the model reconstructs them, and the transfer, in the
normalised coordinates of the first frame; loc and scale of the transfer are those of --body-of.
Models with encoders are taken apart, too: their conditioned codes.
Example: python scripts/transfer_motion.py configs/generative/oflow.yaml \
--motion-of 01_hips/00000 --body-of 02_arms/00000
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
from im2mesh.generation.latent import encode_body, transfer_motion
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
    motion_of, body_of = (find_window(windows, name) for name in (args.motion_of, args.body_of))
    checkpoint = args.checkpoint or folder.best_checkpoint
    generator = build_generator(config, checkpoint, build_device(args.device))
    motion = encode_body(generator, config, motion_of, "motion")
    body = encode_body(generator, config, body_of, "body")
    bodies = [motion, body, transfer_motion(motion, body)]
    output = args.output or folder.latent(result_name("transfer", motion_of, "to", body_of))
    title = f"motion of {motion_of} on the body of {body_of}"
    report = write_bodies(
        generator,
        bodies,
        config,
        output,
        title,
        build_run_origin(config, generator, [motion_of, body_of], config.generation.seed),
        num_columns=args.columns,
        cell_height=args.height,
    )
    print(report)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = config_parser(
        "Give one window's body another one's motion, by latent codes, and by conditioned ones of "
        "models with encoders."
    )
    where = {"required": True, "metavar": "CLIP/START"}
    parser.add_argument("--motion-of", help="whose motion, such as 01_hips/00000", **where)
    parser.add_argument("--body-of", help="whose body, such as 02_arms/00000", **where)
    add_split(parser)
    add_checkpoint(parser)
    add_body_output(parser)
    add_sheet_size(parser)
    add_device(parser)
    return parser.parse_intermixed_args(arguments)


if __name__ == "__main__":
    sys.exit(exit_status(main))
