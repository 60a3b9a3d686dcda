"""Prepare data of other people, or your own animations, in the layout that this program reads.

The kind of SOURCE is detected: registrations of D-FAUST (.hdf5), DeformingThings4D (.anime),
folders of npz files as in CAPE, animated .glb and .gltf, folders of numbered meshes. Clips go to
OUT/<category>/<clip>, with a picture of the first, the middle and the last frame beside each: look
whether bodies stand upright and face you. If the script was interrupted, the same command goes on.

Examples:
    python scripts/prepare.py registrations_m.hdf5 data/real --workers 8
    python scripts/prepare.py DeformingThings4D/animals data/animals --lists train.lst test.lst
    python scripts/prepare.py my_scans data/scans --up z --unit mm
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from im2mesh.command_line import docstring_parser, exit_status
from im2mesh.preparation.checks.dataset_check import check_dataset
from im2mesh.preparation.checks.verdict import tell_verdict
from im2mesh.preparation.dataset import Preparation, prepare
from im2mesh.preparation.kinds import KINDS, detect_kind
from im2mesh.preparation.placement import AXES, UNITS, placement_of
from im2mesh.preparation.settings import NORMALISATIONS, PreparationSettings
from im2mesh.preparation.sources.clip_source import SourceOptions


def main(arguments: Sequence[str]) -> None:
    args = _parser().parse_args(_joined(arguments))
    settings = PreparationSettings(
        surface_points=args.surface_points,
        occupancy_points=args.occupancy_points,
        near_surface_points=args.near_surface_points,
        near_surface_sigma=args.near_surface_sigma,
        meshes=not args.no_meshes,
        normalise=args.normalise,
        placement=placement_of(args.up, args.forward, args.unit),
        seed=args.seed,
    )
    plan = Preparation(
        source=args.source,
        root=args.out,
        kind=args.kind or detect_kind(args.source),
        settings=settings,
        options=SourceOptions(args.fps, args.source_fps, args.faces),
        category=args.category,
        lists=tuple(args.lists),
        packs=args.pack,
    )
    prepare(plan, args.workers, pictures=not args.no_pictures)
    if args.check:
        tell_verdict(args.out, check_dataset(args.out, [plan.category_name], args.workers))


def _joined(arguments: Sequence[str]) -> list[str]:
    """The arguments, with `--up -z` as `--up=-z`: argparse takes -z for an option."""
    joined: list[str] = []
    for word in arguments:
        if word in AXES and joined and joined[-1] in ("--up", "--forward"):
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return joined


def _parser() -> argparse.ArgumentParser:
    parser = docstring_parser(__doc__, "prepare.py")
    add = parser.add_argument
    add("source", type=Path, metavar="SOURCE", help="file or folder to read")
    add("out", type=Path, metavar="OUT", help="folder of the data set, made if missing")
    add("--kind", choices=tuple(KINDS), help="kind of the source (default: detected)")
    add("--category", metavar="NAME", help="folder of the clips in OUT (default: by kind)")
    add(
        "--lists",
        nargs="+",
        type=Path,
        default=[],
        metavar="FILE",
        help="splits: text files of clip names, named after the splits; other clips are left out",
    )
    _add_geometry(parser)
    _add_content(parser)
    add("--workers", type=int, default=1, help="processes (default 1)")
    add("--check", action="store_true", help="read everything again that was written")
    add("--no-pictures", action="store_true", help="draw no pictures, which need pyvista")
    return parser


def _add_geometry(parser: argparse.ArgumentParser) -> None:
    """Options that say how the source stands in space and time."""
    add = parser.add_argument
    add("--up", choices=AXES, default="y", help="where heads point in the source (default y)")
    add("--forward", choices=AXES, help="where toes point (default z; -y if up is z)")
    add("--faces", type=Path, metavar="FILE", help="triangles, where frames hold vertices alone")
    add("--unit", default="m", help=f"{', '.join(UNITS)}, or metres per unit (default m)")
    add(
        "--fps",
        type=float,
        help="frames a second to write (default: all; 60 of animations)",
    )
    add("--source-fps", type=float, help="frames a second of the source, where --fps needs it")
    add(
        "--normalise",
        choices=NORMALISATIONS,
        default="frame",
        help="whose bounding box gets longest side 1: each frame's (default), or the whole clip's",
    )


def _add_content(parser: argparse.ArgumentParser) -> None:
    """Options that say what is written of each frame."""
    add, default = parser.add_argument, PreparationSettings()
    add("--surface-points", type=int, default=default.surface_points, help="per frame")
    add(
        "--occupancy-points",
        type=int,
        default=default.occupancy_points,
        help="labelled points per frame in the cube around the body; 0 for none",
    )
    add(
        "--near-surface-points",
        type=int,
        default=default.near_surface_points,
        help="labelled points per frame near the surface; 0 for none",
    )
    add(
        "--near-surface-sigma",
        type=float,
        default=default.near_surface_sigma,
        help="standard deviation of their distance, in units of the body's longest side",
    )
    add("--no-meshes", action="store_true", help="write no meshes, often the largest files")
    add("--pack", action="store_true", help="one file for each clip and kind, not for each frame")
    add("--seed", type=int, default=default.seed)


if __name__ == "__main__":
    sys.exit(exit_status(main))
