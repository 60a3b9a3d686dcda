"""One clip whose truth is known, reconstructed from clouds that are drawn from it."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from im2mesh.config.schema import DataConfig
from im2mesh.data.batch import Observation
from im2mesh.data.clouds import MOST_POINTS
from im2mesh.data.frames import StoredWindow
from im2mesh.data.layout import CLOUD_FOLDER, Window
from im2mesh.data.observation import draw_observation
from im2mesh.data.scans import Scan
from im2mesh.errors import UserError
from im2mesh.evaluation.metrics import iou, sample_surface, surface_distances
from im2mesh.generation.fitting.clip import ObservedClip
from im2mesh.generation.fitting.clip_fit import fit_clip
from im2mesh.generation.generator import Generator
from im2mesh.generation.scan import ScanSettings, reconstruct_scan
from im2mesh.meshing.containment import points_inside_mesh
from im2mesh.meshing.mesh import Mesh
from im2mesh.studies.robustness.measure import (
    CannotAskError,
    random_of,
    read_true_motion,
)
from im2mesh.studies.scans.following import follow

MEASURED_FRAMES = 9
"""Frames, evenly spread, in which meshes are compared with the truth."""
GIVEN_POINTS = 8000
"""True points that stand for the surface of a clip without meshes, where it is given."""
NUM_SAMPLES = 10_000
"""Points on each surface whose distances are measured."""


@dataclass(frozen=True)
class ClipToFit:
    """A clip of which only clouds are seen, in units of its first frame.

    Attributes:
        generator: Generator with the network that guesses the surface.
        stored: The clip, which knows the truth.
        clouds, times: What is seen, and the numbers of these frames.
        corresponding: Whether rows of the clouds are taken for particles.
        seed: Seed of the search.
    """

    generator: Generator
    stored: StoredWindow
    clouds: Float[np.ndarray, "T N 3"]
    times: Float[np.ndarray, "T"]
    corresponding: bool
    seed: int

    @property
    def scan(self) -> Scan:
        names = tuple(f"{self.stored.window}, frame {time:g}" for time in self.times)
        return Scan(tuple(self.clouds.astype(np.float64)), self.times, names)

    @property
    def settings(self) -> ScanSettings:
        of_config = ScanSettings.of(self.generator.config, "y", self.corresponding)
        return replace(of_config, seed=self.seed)


@dataclass(frozen=True)
class Moving:
    """A moving surface; without faces, a cloud of its points."""

    vertices: Float[np.ndarray, "T V 3"]
    faces: Int[np.ndarray, "F 3"]


def stay_put(clip: ClipToFit) -> Moving:
    """The surface that the network sees in the first frame."""
    seen = Observation(clip.clouds[:1, :MOST_POINTS], np.zeros(1, np.float32))
    surface = clip.generator.extract_shape(seen)
    if not len(surface.faces):
        raise UserError(f"{clip.stored.window}: the network finds no surface")
    return Moving(np.repeat(surface.vertices[None], len(clip.times), 0), surface.faces)


def fit_given(clip: ClipToFit) -> Moving:
    """The true surface of the first frame, moved by the fit alone: nothing is learned."""
    surface = clip.stored.mesh(0)
    if surface is None:
        rows = np.arange(clip.stored.count_points(0, CLOUD_FOLDER))
        rows = rows[:: max(1, len(rows) // GIVEN_POINTS)]
        points = clip.stored.surface_rows(0, rows)
        surface = Mesh(points, np.zeros((0, 3), np.int32))
    seen = ObservedClip(list(clip.clouds), clip.times, corresponding=clip.corresponding)
    settings = clip.settings
    fitted = fit_clip(surface, seen, iterations=settings.iterations, seed=settings.seed)
    return Moving(fitted.vertices(clip.times), surface.faces)


def fit_predicted(clip: ClipToFit) -> Moving:
    """What `generate.py --clouds` does."""
    found = reconstruct_scan(clip.generator, clip.scan, clip.settings).meshes
    return Moving(found.vertices, found.faces)


METHODS: Mapping[str, Callable[[ClipToFit], Moving]] = {
    "still": stay_put,
    "given": fit_given,
    "predicted": fit_predicted,
}
"""Names on the command line and in tables."""


def measure_clip(
    method: str,
    corresponding: bool,
    generator: Generator,
    data: DataConfig,
    trained: DataConfig,
    window: Window,
    seed: int,
) -> dict[str, float]:
    """Reconstruct a window by a method and compare it with the truth: metric -> number.

    Args:
        method: Key of `METHODS`.
        corresponding: Whether the network takes row n of all clouds for the same particle.
        generator: Generator with the network; its configuration says how long is searched.
        data: Section data with the setting to measure.
        trained: Section data of the run itself; it plays no part.
        window: Window with the length and step of `data`.
        seed: Seed of the clouds and of the search.

    Raises:
        CannotAskError: If there are no such clouds, or the method refuses them.
    """
    stored = StoredWindow(data.root, window)
    try:
        rng = random_of(window, 0, seed)
        seen = draw_observation(data, window, rng, random_view=False)
        times = seen.times * np.float64(window.num_frames - 1)
        clip = ClipToFit(generator, stored, seen.inputs, times, corresponding, seed)
        begun = time.process_time()  # other work on the machine does not count
        found = METHODS[method](clip)
    except UserError as error:
        raise CannotAskError(str(error)) from error
    seconds = {} if method == "still" else {"seconds": time.process_time() - begun}
    frames = times.round().astype(int)
    points = _measure_points(found, stored, frames, seed)
    return {**points, **_measure_meshes(found, stored, frames, seed), **seconds}


def _measure_points(
    found: Moving, stored: StoredWindow, frames: Int[np.ndarray, "T"], seed: int
) -> dict[str, float]:
    truth = read_true_motion(stored, seed)[frames]
    errors = np.linalg.norm(follow(found.vertices, truth[0]) - truth, axis=-1).mean(1)
    return {"followed_l2": float(errors[1:].mean()), "followed_l2_last": float(errors[-1])}


def _measure_meshes(
    found: Moving, stored: StoredWindow, frames: Int[np.ndarray, "T"], seed: int
) -> dict[str, float]:
    """IoU of clips that have labels, and distances; {} for clouds, which are no meshes."""
    if not len(found.faces):
        return {}
    ious, distances = [], []
    for k in np.unique(np.linspace(0, len(frames) - 1, MEASURED_FRAMES).round().astype(int)):
        mesh, frame = Mesh(found.vertices[k], found.faces), int(frames[k])
        if stored.has_labels():
            ious.append(_iou(mesh, stored, frame))
        distances.append(_chamfer(mesh, stored, frame, seed))
    of_labels = {"iou_0": ious[0], "iou": float(np.mean(ious))} if ious else {}
    return {**of_labels, "chamfer_l1": float(np.mean(distances))}


def _iou(mesh: Mesh, stored: StoredWindow, frame: int) -> float:
    truth = stored.labelled_points(frame)  # all: a hundredth of them lies inside
    inside = points_inside_mesh(truth.points, mesh.vertices, mesh.faces)
    return iou(inside, truth.occupancy)


def _chamfer(mesh: Mesh, stored: StoredWindow, frame: int, seed: int) -> float:
    rng = random_of(stored.window, 2, seed)
    points, _ = sample_surface(mesh.vertices, mesh.faces, NUM_SAMPLES, rng)
    return surface_distances(points, stored.surface_points(frame).points).chamfer_l1
