"""Evaluated windows, or files of moving meshes -> the scenes of a video."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float

from im2mesh.data.frame_rate import window_seconds
from im2mesh.data.layout import Window
from im2mesh.data.scans import Up
from im2mesh.data.windows import find_window
from im2mesh.errors import UserError
from im2mesh.files.hashes import hash_file, hash_text
from im2mesh.generation.generator import Generator
from im2mesh.generation.inputs import read_input
from im2mesh.runs.provenance import run_hash
from im2mesh.runs.weights import weights_digest
from im2mesh.studies.moving_file import MovingFile, read_moving_file
from im2mesh.studies.moving_pictures import is_of_pictures, read_moving_pictures
from im2mesh.studies.report import Evaluated
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
    """The scene of a file of moving meshes, or of the folder of a scan: without a truth. Windows of
    pictures have a scene each, beside the pictures.

    Args:
        path: sequence.npz, a moving .glb or .usdc, or a folder with sequence.npz; or what
            generate.py --images wrote.
        clouds: The clouds from which the meshes were made, to be shown beside them.
        up: The axis that points up; auto takes the longer one of y and z.

    Raises:
        UserError: If there is no readable file, or not one cloud for each frame.
    """
    found = _read_moving(path, clouds, up)
    clocks = [replace(even_clock(len(m.times), m.duration, fps), relative=m.times) for m in found]
    scenes = [
        window_scene(m.panel, clock, settings) for m, clock in zip(found, clocks, strict=True)
    ]
    first, *others = (hash_file(moving.file) for moving in found)
    content = f"{len(found)} files: {hash_text(first, *others)}" if others else f"file: {first}"
    origin = f"Meshes of {found[0].file.name} (hash of the {content})."
    return Shown(scenes, clocks[0].fps, origin)


def _read_moving(path: Path, clouds: Sequence[Path], up: Up) -> list[MovingFile]:
    if not is_of_pictures(path):
        return [read_moving_file(path, clouds, up)]
    given = "--clouds" if clouds else "--up" if up != "auto" else None
    if given is not None:
        raise UserError(
            f"{path} was made from pictures, which are shown, and y is up; leave out {given}"
        )
    return read_moving_pictures(path)
