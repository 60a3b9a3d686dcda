"""Make synthetic moving bodies in the layout of the D-FAUST data of Occupancy Flow.

Example: python scripts/make_bodies.py data/synthetic --workers 2
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from im2mesh.errors import UserError
from im2mesh.synthesis import MOTIONS, ClipSettings, DatasetSettings, make_dataset


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    arguments = _parse(argv)
    names = tuple(MOTIONS) if arguments.motions == ["all"] else tuple(arguments.motions)
    try:
        settings = DatasetSettings(
            arguments.bodies,
            names,
            ClipSettings(
                seed=arguments.seed,
                frames=arguments.frames,
                surface_points=arguments.surface_points,
                occupancy_points=arguments.occupancy_points,
                near_surface_points=arguments.near_surface_points,
                near_surface_sigma=arguments.near_surface_sigma,
                meshes=arguments.meshes,
            ),
        )
        make_dataset(arguments.out, settings, arguments.workers, arguments.overwrite)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; run the same command again to go on from here", file=sys.stderr)
        return 130
    return 0


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    default = ClipSettings()
    add = parser.add_argument
    add("out", type=Path, metavar="OUT", help="folder for the data set, made if missing")
    add(
        "--bodies", type=int, default=10, help="number of bodies; the last is held out (default 10)"
    )
    add("--motions", nargs="+", default=["all"], metavar="NAME", help="'all' (default) or names")
    add("--frames", type=int, default=default.frames, help="frames a clip, 60 a second")
    add("--surface-points", type=int, default=default.surface_points, help="a frame")
    add("--occupancy-points", type=int, default=default.occupancy_points, help="a frame")
    add(
        "--near-surface-points",
        type=int,
        default=default.near_surface_points,
        help="further labelled points near the surface, in points_near_seq (default 0: none)",
    )
    add(
        "--near-surface-sigma",
        type=float,
        default=default.near_surface_sigma,
        help="their distance (deviation), in units of the body's longest side",
    )
    add("--workers", type=int, default=1, help="processes (default 1)")
    add("--seed", type=int, default=default.seed)
    add("--no-meshes", dest="meshes", action="store_false", help="leave out mesh_seq")
    add("--overwrite", action="store_true", help="replace a data set made with other settings")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
