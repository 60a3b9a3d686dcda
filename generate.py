"""Generate moving meshes: python generate.py CONFIG [key=value ...], for every window of a split;
or python generate.py CONFIG --clouds FOLDER, for the clouds of a scanner (docs/scans.md);
or python generate.py CONFIG --images FOLDER_OR_VIDEO, for pictures of a body (docs/pictures.md).
"""

import argparse
import itertools
import math
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

from tqdm import tqdm

from im2mesh.build import (
    build_config,
    build_generator,
    build_run_origin,
    load_for_clouds,
    load_trained,
    with_settings,
)
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
from im2mesh.config.schema import Config
from im2mesh.config.validation import dump_config
from im2mesh.data.cut_out import cut_out
from im2mesh.data.dataset import build_windows
from im2mesh.data.one_sided import is_one_sided
from im2mesh.data.pictures import find_pictures
from im2mesh.data.scans import METRES, guess_unit, guess_up, read_scan, rows_correspond
from im2mesh.errors import Advice, UserError
from im2mesh.generation.generator import Generator
from im2mesh.generation.picture_files import refuse_result_of_others, write_windows
from im2mesh.generation.picture_windows import PictureSettings, reconstruct_pictures
from im2mesh.generation.scan import ScanSettings, reconstruct_scan
from im2mesh.generation.scan_files import (
    refuse_files_of_others,
    result_name,
    tell_suspects,
    write_scan,
)
from im2mesh.generation.sources import SOURCE
from im2mesh.generation.split import generate_split
from im2mesh.machine.devices import build_device
from im2mesh.machine.ranks import ranks_from_environment
from im2mesh.meshing.animated_file import FRAMES_PER_SECOND
from im2mesh.meshing.animated_saving import refuse_missing_library
from im2mesh.pretrained.shipped import find_weights, shipped_names, suiting_clouds
from im2mesh.runs.folder import SEEN_FOLDER, RunFolder
from im2mesh.synthesis.images import ELEVATION, FRONT_AZIMUTH


def main(arguments: Sequence[str]) -> None:
    parser = config_parser("Reconstruct the windows of a split; finished ones are skipped.")
    add_split(parser)
    add_clips(parser)
    parser.add_argument("--num-steps", type=int, help="frames to write (generation.num_steps)")
    add_checkpoint(parser)
    add_device(parser)
    _add_scan(parser)
    _add_pictures(parser)
    args = parse_with_overrides(parser, arguments)
    if args.num_steps is not None:
        args.overrides.append(f"generation.num_steps={args.num_steps}")
    config = build_config(args.config, args.overrides)
    if args.print_config:
        print(dump_config(config), end="")
        return
    refuse_unused(args, config)
    refuse_missing_library(config.generation.mesh_format)
    if args.clouds:
        reconstruct_clouds(args, config)
        return
    if args.images:
        reconstruct_images(args, config)
        return
    folder = RunFolder.of(config)
    split = args.split or config.data.test_split
    windows = build_windows(config, split, stride=config.data.eval_stride, clips=args.clips)
    checkpoint = chosen_weights(args, folder.best_checkpoint)
    ranks = ranks_from_environment()
    generator = build_generator(config, checkpoint, build_device(args.device, ranks))
    print(f"{len(windows)} windows of split {split} -> {folder.generation(split)}")
    print(generate_split(generator, windows, split, config, folder, ranks))


def _add_scan(parser: argparse.ArgumentParser) -> None:
    scan = parser.add_argument_group("clouds of a scanner, in place of a data set")
    scan.add_argument(
        "--clouds",
        nargs="+",
        metavar="PATH",
        help="folder of numbered clouds, an .npz with points [T, N, 3], or files in their order",
    )
    scan.add_argument("--times", type=Path, help="text file with the time of each frame, seconds")
    scan.add_argument("--up", choices=["auto", "y", "z"], default="auto", help="axis that is up")
    scan.add_argument("--unit", choices=["auto", *METRES], default="auto", help="of coordinates")


def _add_pictures(parser: argparse.ArgumentParser) -> None:
    pictures = parser.add_argument_group("pictures of a body, in place of a data set")
    pictures.add_argument(
        "--images",
        nargs="+",
        metavar="PATH",
        help="folder of numbered pictures, a video, or files in their order; the background must "
        "be transparent or plain",
    )
    add = pictures.add_argument
    add("--fps", type=float, help=f"pictures a second (the video's, else {FRAMES_PER_SECOND:g})")
    add(
        "--azimuth",
        type=float,
        help=f"degrees of the camera about the mesh's y axis (default {FRONT_AZIMUTH:g})",
    )
    add("--elevation", type=float, help=f"degrees that it is lifted (default {ELEVATION:g})")


def refuse_unused(args: argparse.Namespace, config: Config) -> None:
    """Refuse options that have no effect on what is asked for.

    Raises:
        UserError: Naming them.
    """
    if args.clouds and args.images:
        raise UserError("--clouds and --images are two kinds of input; give one")
    of_pictures = {name: getattr(args, name) for name in ("fps", "azimuth", "elevation")}
    for name, value in of_pictures.items():
        if value is not None and not (args.images and math.isfinite(value)):
            what = f"is {value:g}; give a number" if args.images else "needs --images"
            raise UserError(f"--{name} {what}")
    if not args.images:
        return
    if args.fps is not None and args.fps <= 0:
        raise UserError(f"--fps is {args.fps:g}; give the number of pictures a second")
    settings = config.generation
    unused = {
        "--split": args.split,
        "--clips": args.clips,
        "--num-steps or generation.num_steps": settings.num_steps,
        "generation.times": settings.times,
        "generation.fit_iterations": settings.fit_iterations,
        "generation.surface": settings.surface != "extracted",
    }
    given = [name for name, value in unused.items() if value]
    if given:
        raise UserError(
            f"{given[0]} has no effect on pictures, each of which gets a mesh; leave it out"
        )


def reconstruct_images(args: argparse.Namespace, config: Config) -> None:
    """Reconstruct a body from its pictures, and write it below the folder of the run."""
    paths = [Path(path) for path in args.images]
    pictures, source = find_pictures(paths), str(paths[0].resolve())
    run = RunFolder.of(config)
    folder = run.path / "pictures" / paths[0].resolve().stem
    refuse_result_of_others(folder, source)
    trained, generator = _trained_generator(args, config, _weights_for_images(args, run))
    settings = _picture_settings(args, trained, pictures.rate)
    seen = tqdm(pictures, desc="cut out", unit="picture", total=pictures.count)
    body = cut_out(seen, trained.data.image_size)

    def progress(total: int) -> Callable[[], object]:
        return tqdm(total=total, desc="reconstruct", unit="window").update

    windows = reconstruct_pictures(generator, trained.data, body, settings, progress)
    made_by = build_run_origin(trained, generator, [], config.generation.seed).as_dict()
    notes = {SOURCE: source, "made_by": made_by}
    kind = config.generation.mesh_format
    report = write_windows(folder, body, windows, settings, kind, notes)
    empty = [window["first"] for window in report["windows"] if not window["vertices"]]
    if empty:
        raise UserError(
            f"no surface is found in {len(empty)} of {len(report['windows'])} windows, the first "
            f"at {empty[0]}; look at {folder / SEEN_FOLDER}: is it a whole body, standing upright?"
        )
    print(f"{len(body.names)} pictures, {settings.rate:g} a second -> {folder}")


def _picture_settings(
    args: argparse.Namespace, trained: Config, rate: float | None
) -> PictureSettings:
    if trained.data.input != "images":
        raise UserError(
            f"these weights observe {trained.data.input or 'nothing'}, not images; choose those of "
            "a model that was trained from images, with --weights or --checkpoint"
        )
    camera = {"azimuth": args.azimuth, "elevation": args.elevation}
    given = [name for name, value in camera.items() if value is not None]
    if given and not trained.data.view_cameras:
        raise UserError(f"--{given[0]} has no effect: these weights know no cameras; leave it out")
    return PictureSettings(
        args.fps or rate or FRAMES_PER_SECOND,
        FRONT_AZIMUTH if args.azimuth is None else args.azimuth,
        ELEVATION if args.elevation is None else args.elevation,
    )


def reconstruct_clouds(args: argparse.Namespace, config: Config) -> None:
    """Reconstruct one scan, of any length, and write it below the folder of the run."""
    paths = [Path(path) for path in args.clouds]
    source = ", ".join(str(path.resolve()) for path in paths)
    folder = RunFolder.of(config).path / "scans" / result_name(paths[0].resolve())
    scan = read_scan(paths, args.times)
    refuse_files_of_others(folder, source, config.generation.mesh_format)
    up, unit = guess_up(scan, args.up), guess_unit(scan, args.unit)
    is_tracked = rows_correspond(scan)
    of_one_side = not is_tracked and is_one_sided(scan.clouds)
    suiting = suiting_clouds(is_tracked, of_one_side)
    why = "which suit clouds of one side of a body" if of_one_side else "which suit these clouds"
    file = _chosen_or_shipped(args, RunFolder.of(config), suiting, why)
    device = build_device(args.device)
    trained, generator = load_for_clouds(file, config, is_tracked, suiting, device)
    corresponding = trained.data.input_pointcloud_corresponding
    rows = "row n is the same point in all clouds" if corresponding else "rows do not correspond"
    print(f"{len(scan.clouds)} clouds, {up} is up, unit {unit}; {rows}")
    settings = ScanSettings.of(config.generation, up, corresponding)

    def progress(steps: int) -> Callable[[], object]:
        return _in_frames(len(scan.clouds), steps)

    result = reconstruct_scan(generator, scan, settings, progress)
    origin = build_run_origin(trained, generator, [], config.generation.seed)
    notes = {SOURCE: source, "made_by": origin.as_dict()}
    report = write_scan(folder, result, scan, unit, config.generation.mesh_format, notes)
    for message in tell_suspects(report):
        warnings.warn(message, Advice, stacklevel=1)
    median = sorted(frame["median_mm"] for frame in report["frames"])[len(scan.clouds) // 2]
    print(f"{report['vertices']} vertices in {len(scan.clouds)} frames; the observed points are")
    print(f"{median:.1f} mm from the surface (median) -> {folder}")


def _in_frames(frames: int, steps: int) -> Callable[[], object]:
    """Show the progress of a fit in frames: its windows overlap, and go both ways from the key
    frame, so their number says little. Called after each of its steps."""
    bar, done = tqdm(total=frames, desc="fit", unit="frame"), itertools.count(1)
    return lambda: bar.update(min(round(next(done) * frames / steps), frames) - bar.n)


def _weights_for_images(args: argparse.Namespace, run: RunFolder) -> Path:
    """Those that were asked for, or that of the run, or those that ship with the configuration."""
    name = Path(args.config).stem
    if name not in shipped_names():
        return chosen_weights(args, run.best_checkpoint)
    return _chosen_or_shipped(args, run, name, "which ship with this configuration")


def _chosen_or_shipped(args: argparse.Namespace, run: RunFolder, name: str, why: str) -> Path:
    """Weights that were asked for, or the best of the run, or shipped ones, which is told."""
    shipped = find_weights(name)
    file = chosen_weights(args, run.best_checkpoint, shipped)
    if file == shipped and args.weights is None:
        print(f"weights {name}, {why}; --weights chooses others")
    return file


def _trained_generator(
    args: argparse.Namespace, config: Config, file: Path
) -> tuple[Config, Generator]:
    """The configuration of trained weights, and a generator with the settings asked for."""
    trained, made = load_trained(file, build_device(args.device))
    return trained, with_settings(made, config.generation)


if __name__ == "__main__":
    sys.exit(exit_status(main))
