"""Evaluated windows, or files of moving meshes -> the scenes of a video."""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float

from im2mesh.data.frame_rate import window_seconds
from im2mesh.data.layout import Window
from im2mesh.data.scans import Scan, Up, guess_up, read_scan
from im2mesh.data.transforms import NormalizationFrame, bounding_frame
from im2mesh.data.windows import find_window
from im2mesh.errors import UserError
from im2mesh.files.hashes import hash_file
from im2mesh.generation.generator import Generator
from im2mesh.generation.inputs import read_input
from im2mesh.generation.scan import to_y_up
from im2mesh.generation.scan_files import REPORT, SEQUENCE
from im2mesh.meshing.formats.gltf.read_moving import keyframe_seconds
from im2mesh.meshing.frame_meshes import load_reconstruction
from im2mesh.meshing.mesh import Mesh
from im2mesh.meshing.mesh_sequence import MeshSequence
from im2mesh.runs.provenance import run_hash
from im2mesh.runs.weights import weights_digest
from im2mesh.studies.report import Evaluated
from im2mesh.visualization.panel import Panel
from im2mesh.visualization.video.encoding import shown_frames, write_video
from im2mesh.visualization.video.film import Film, Scene
from im2mesh.visualization.video.window_scene import (
    Clock,
    VelocityAt,
    VideoSettings,
    even_clock,
    window_scene,
)
from im2mesh.visualization.window_choice import BY_SHAPE, best_median_worst, rank_windows


@dataclass(frozen=True)
class Shown:
    """What a video shows.

    Attributes:
        scenes: One scene per window; all are shown at the same number of frames a second.
        origin: Description of what made the contents.
    """

    scenes: list[Scene]
    fps: float
    origin: str

    def write(self, path: Path, height: int) -> int:
        """Draw and write the video; returns the number of its frames.

        Raises:
            UserError: If the file is one of somebody else, or a library is missing.
        """
        film = Film(self.scenes, height)
        frames, fps = shown_frames(film.num_frames, self.fps, path.suffix.lower())
        write_video(path, film.frames(frames), fps, self.origin)
        return len(frames)


def choose_windows(evaluated: Evaluated, names: Sequence[str]) -> list[Window]:
    """The windows that are named CLIP/START, or best, median or worst by IoU (by Chamfer-L1 for
    point sets); the median for no names.

    Raises:
        UserError: If there is no such window.
    """
    named, windows = {}, sorted(evaluated.windows)
    if not names or {"best", "median", "worst"} & set(names):
        named = best_median_worst(rank_windows(windows, evaluated.records, BY_SHAPE))
    return [named.get(name) or find_window(windows, name) for name in names or ["median"]]


def show_windows(
    evaluated: Evaluated,
    windows: Sequence[Window],
    settings: VideoSettings,
    fps: float | None = None,
    generator: Generator | None = None,
) -> Shown:
    """The scenes of windows of a run.

    Args:
        fps: Frames a second; None for real time, or slower (see `even_clock`).
        generator: The model that made the meshes, whose field of velocities is shown with arrows;
            None leaves it out.
    """
    scenes, rates = [], []
    for window in windows:
        duration = window_seconds(evaluated.config.data.root, window)
        clock = even_clock(window.num_frames, duration, fps)
        velocity = None
        if generator is not None and settings.show_arrows:
            velocity = _velocity_of(generator, evaluated, window, clock)
        scenes.append(window_scene(evaluated.panel(window), clock, settings, velocity))
        rates.append(clock.fps)
    return Shown(scenes, rates[0], str(evaluated.origin or "unknown"))


def _velocity_of(
    generator: Generator, evaluated: Evaluated, window: Window, clock: Clock
) -> VelocityAt:
    """The field of velocities of a model that has seen a window, in units a second."""
    runs = set() if evaluated.origin is None else evaluated.origin.runs
    if runs and run_hash(weights_digest(generator.model), evaluated.config) not in runs:
        raise UserError(
            "the meshes were not made with these weights and settings, so their velocity field "
            "would be another one; give --weights or --checkpoint as to generate.py"
        )
    codes = generator.encode(read_input(evaluated.config, window).observation)

    def velocity(points: Float[np.ndarray, "N 3"], frame: int) -> Float[np.ndarray, "N 3"]:
        t = float(clock.relative[frame])
        return generator.velocities(codes, points, t) / (clock.duration or 1.0)

    return velocity


def show_file(
    path: Path,
    settings: VideoSettings,
    fps: float | None = None,
    clouds: Sequence[Path] = (),
    up: Up = "auto",
) -> Shown:
    """The scene of a file of moving meshes, or of the folder of a scan: without a truth.

    Args:
        path: sequence.npz, a moving .glb, or a folder with sequence.npz.
        clouds: The clouds from which the meshes were made, to be shown beside them.
        up: The axis that points up; auto takes the longer one of y and z.

    Raises:
        UserError: If there is no readable file, or not one cloud for each frame.
    """
    file = path / SEQUENCE if path.is_dir() else path
    is_animated = file.suffix.lower() == ".glb"
    meshes = MeshSequence.load(file) if is_animated else load_reconstruction(file)
    if meshes.meshes[0].is_empty:
        raise UserError(
            f"{file}: the mesh of its first frame is empty, so there is nothing to show"
        )
    duration = _glb_seconds(file) if is_animated else _scan_seconds(file.parent / REPORT)
    first = meshes.meshes[0].vertices
    axis = guess_up(Scan((first,), np.zeros(1), ("first",)), up)
    frame = bounding_frame(to_y_up(first, axis))
    shown = {k: _placed(mesh, axis, frame) for k, mesh in enumerate(meshes.meshes)}
    panel = Panel(path.stem, [], shown, _inputs(clouds, len(shown), axis, frame))
    clock = replace(even_clock(len(shown), duration, fps), relative=meshes.times)
    origin = f"Meshes of {file.name} (hash of the file: {hash_file(file)})."
    return Shown([window_scene(panel, clock, settings)], clock.fps, origin)


def is_moving_file(path: Path) -> bool:
    """Whether a path is that of moving meshes, and not of a run."""
    return path.suffix.lower() in (".npz", ".glb") or (path / SEQUENCE).is_file()


def _placed(mesh: Mesh, up: str, frame: NormalizationFrame) -> Mesh:
    upright = to_y_up(mesh.vertices.astype(np.float64), up)
    return replace(mesh, vertices=frame.from_world(upright).astype(np.float32))


def _inputs(
    clouds: Sequence[Path], count: int, up: str, frame: NormalizationFrame
) -> dict[int, np.ndarray] | None:
    if not clouds:
        return None
    scan = read_scan(list(clouds))
    if len(scan.clouds) != count:
        raise UserError(
            f"--clouds has {len(scan.clouds)} clouds and the file {count} frames; give the clouds "
            "from which it was made"
        )
    upright = [to_y_up(cloud, up) for cloud in scan.clouds]
    return {k: frame.from_world(cloud).astype(np.float32) for k, cloud in enumerate(upright)}


def _glb_seconds(path: Path) -> float | None:
    seconds = keyframe_seconds(path)
    return float(seconds[-1] - seconds[0]) or None


def _scan_seconds(report: Path) -> float | None:
    """Seconds from the first frame of a scan to its last; None without a readable report, or where
    frames were only counted, as generate.py does without --times."""
    with suppress(OSError, ValueError, LookupError, TypeError):
        times = [float(frame["time"]) for frame in json.loads(report.read_text("utf-8"))["frames"]]
        if not all(time.is_integer() for time in times):
            return times[-1] - times[0]
    return None
