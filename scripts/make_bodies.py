"""Make synthetic moving bodies in the layout of the D-FAUST data of Occupancy Flow.

Examples:
    python scripts/make_bodies.py data/synthetic --workers 2
    python scripts/make_bodies.py data/bodies-1 --benchmark --workers 2
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from im2mesh.command_line import exit_status
from im2mesh.errors import UserError
from im2mesh.synthesis.benchmark import (
    NAME,
    BenchmarkSettings,
    benchmark_with_images,
    tell_fingerprint,
)
from im2mesh.synthesis.benchmark_parts import (
    BenchmarkSample,
    DepthSettings,
    MatchingSettings,
    TransferSettings,
)
from im2mesh.synthesis.clips import ClipSettings
from im2mesh.synthesis.dataset import make_dataset
from im2mesh.synthesis.motions.repertoire import MOTIONS
from im2mesh.synthesis.plan import MESH_CHOICES, DatasetSettings

PARTS = {
    "sample": BenchmarkSample,
    "depth": DepthSettings,
    "transfers": TransferSettings,
    "matching": MatchingSettings,
}


def main(arguments: Sequence[str]) -> None:
    parser = _parser()
    args = parser.parse_args(arguments)
    if args.benchmark:
        _make_benchmark(args, parser)
        return
    clip = ClipSettings(
        seed=args.seed,
        frames=args.frames,
        surface_points=args.surface_points,
        occupancy_points=args.occupancy_points,
        near_surface_points=args.near_surface_points,
        near_surface_sigma=args.near_surface_sigma,
        views=args.views,
        image_size=args.image_size,
        depth_views=args.depth_views,
    )
    motions = tuple(MOTIONS) if args.motions == ["all"] else tuple(args.motions)
    settings = DatasetSettings(args.bodies, motions, clip, args.meshes)
    make_dataset(args.out, settings, args.workers, args.overwrite)


def _make_benchmark(args: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    """Make the benchmark, whose settings are fixed, and tell its fingerprint."""
    own = ("out", "benchmark", "workers", "overwrite")
    changed = [
        f"--{name.replace('_', '-')}"
        for name, value in vars(args).items()
        if name not in own and value != parser.get_default(name)
    ]
    if changed:
        raise UserError(f"--benchmark fixes all other settings; leave out {' '.join(changed)}")
    if args.benchmark in PARTS:
        make_dataset(args.out, PARTS[args.benchmark](), args.workers, args.overwrite)
        return
    settings = benchmark_with_images() if args.benchmark == "images" else BenchmarkSettings()
    make_dataset(args.out, settings, args.workers, args.overwrite)
    print(f"{settings.name} fingerprint {tell_fingerprint(args.out)}")


def _parser() -> argparse.ArgumentParser:
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
    add("--frames", type=int, default=default.frames, help="frames per clip, 60 a second")
    add("--surface-points", type=int, default=default.surface_points, help="per frame")
    add("--occupancy-points", type=int, default=default.occupancy_points, help="per frame")
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
        help="standard deviation of their distance, in units of the body's longest side",
    )
    add(
        "--views",
        type=int,
        default=default.views,
        help="cameras around the body, whose images go to img/<view> (default 0: none; needs "
        "pyvista)",
    )
    add("--image-size", type=int, default=default.image_size, help="pixels (default 224)")
    add(
        "--depth-views",
        type=int,
        default=default.depth_views,
        help="depth cameras around the body, whose points go to depth_seq (default 0: none)",
    )
    _add_run_options(parser)
    return parser


def _add_run_options(parser: argparse.ArgumentParser) -> None:
    """Options that say how to make the data set, and which one."""
    add = parser.add_argument
    add("--workers", type=int, default=1, help="processes (default 1)")
    add("--seed", type=int, default=ClipSettings().seed)
    add(
        "--meshes",
        choices=MESH_CHOICES,
        default="all",
        help="clips that get meshes (mesh_seq), by far the largest files (default all)",
    )
    add("--overwrite", action="store_true", help="replace a data set made with other settings")
    add(
        "--benchmark",
        nargs="?",
        const="whole",
        choices=("whole", "images", *PARTS),
        help=f"make the benchmark {NAME}, 110 people and the ten bodies; with images, four views "
        "of 112 pixels; or clips of 17 frames: a sample of its tests, two depth cameras that "
        "see all of them, transfers of its motions to other bodies, or for matching, bodies that "
        "become others; see docs/data.md",
    )


if __name__ == "__main__":
    sys.exit(exit_status(main))
