"""The clouds of a scanner -> one mesh that moves through all of its frames.

The network gives the surface at the frame in which most is seen; the surface then follows the
clouds, forward and backward in time, as far as the clip goes.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Float

from im2mesh.config.schema import GenerationConfig
from im2mesh.data.batch import Observation
from im2mesh.data.clouds import gather_for_network
from im2mesh.data.scans import METRES, Scan, Unit, from_y_up, most_seen, to_y_up
from im2mesh.data.transforms import NormalizationFrame, bounding_frame
from im2mesh.errors import UserError
from im2mesh.generation.fitting.clip import WINDOW, ObservedClip
from im2mesh.generation.fitting.clip_fit import fit_clip, num_steps
from im2mesh.generation.fitting.fitted_clip import FittedClip
from im2mesh.generation.fitting.graph import NEIGHBOURS
from im2mesh.generation.fitting.residuals import Residuals, measure_residuals, vertex_residuals
from im2mesh.generation.generator import Generator
from im2mesh.meshing.mesh_sequence import MeshSequence
from im2mesh.meshing.normals import vertex_normals

ITERATIONS = 160
"""Of a fit, unless generation.fit_iterations says otherwise."""


@dataclass(frozen=True)
class ScanSettings:
    """How a scan is to be understood and fitted.

    Attributes:
        up: The axis of the scan that points up.
        corresponding: Whether row n is the same particle in all clouds.
        iterations: Steps of the search in every window of the fit.
        normals: Whether the result has vertex normals.
    """

    up: Literal["y", "z"]
    corresponding: bool
    iterations: int
    normals: bool = False
    seed: int = 0

    @classmethod
    def of(
        cls, settings: GenerationConfig, up: Literal["y", "z"], corresponding: bool
    ) -> "ScanSettings":
        """Those of a configuration; a scan is always fitted."""
        iterations = settings.fit_iterations or ITERATIONS
        return cls(up, corresponding, iterations, settings.normals, settings.seed)


@dataclass(frozen=True)
class ScanResult:
    """A moving mesh in the scan's own coordinates and unit.

    Attributes:
        meshes: One mesh per frame, with one set of faces; times run from 0 to 1.
        key: Index of the frame in which the network saw the shape.
        residuals: Distances of the observed points, in sizes of the body.
        of_vertices: The same at the vertices; NaN where nothing was observed near one.
        frame: Place and size of the body in the key frame, up being y.
        up: The axis of the scan that points up.
    """

    meshes: MeshSequence
    key: int
    residuals: Residuals
    of_vertices: Float[np.ndarray, "T V"]
    frame: NormalizationFrame
    up: Literal["y", "z"]

    def in_metres(self, unit: Unit) -> MeshSequence:
        """The meshes with y up and in metres, as programs take animated files to be."""
        normals = self.meshes.normals
        return replace(
            self.meshes,
            vertices=METRES[unit] * to_y_up(self.meshes.vertices, self.up),
            normals=None if normals is None else to_y_up(normals, self.up),
        )


def reconstruct_scan(
    generator: Generator,
    scan: Scan,
    settings: ScanSettings,
    progress: Callable[[int], Callable[[], object]] = lambda total: lambda: None,
) -> ScanResult:
    """Reconstruct a clip of any length.

    Args:
        generator: A model that gives the shape of one cloud, or of corresponding ones.
        scan: The clouds.
        settings: How they are to be understood.
        progress: Number of steps, rounds and windows -> what is called after each of them.

    Raises:
        UserError: If the network finds no surface in the key frame.
    """
    upright = [to_y_up(cloud, settings.up) for cloud in scan.clouds]
    key = most_seen(upright)
    frame = bounding_frame(upright[key])
    local = [frame.from_world(cloud).astype(np.float32) for cloud in upright]
    surface = generator.extract_shape(_seen(local, scan.times, key, settings))
    if len(surface.vertices) <= NEIGHBOURS:
        raise UserError(
            f"{scan.names[key]}: the network finds no surface there; is it a body, with "
            f"{settings.up} up? Else give --up"
        )
    clip = ObservedClip(local, scan.times, key, settings.corresponding)
    fitted = fit_clip(
        surface,
        clip,
        iterations=settings.iterations,
        extract=generator.surface_of,
        seed=settings.seed,
        progress=progress(num_steps(clip, settles=True)),
    )
    residuals = measure_residuals(fitted, clip)
    return ScanResult(
        _in_scan(fitted, scan, frame, settings),
        key,
        residuals,
        vertex_residuals(fitted, residuals),
        frame,
        settings.up,
    )


def _seen(
    clouds: list[Float[np.ndarray, "_ 3"]],
    times: Float[np.ndarray, "T"],
    key: int,
    settings: ScanSettings,
) -> Observation:
    """What the network sees: the key frame; of tracked points, also those after or before it."""
    if not settings.corresponding:
        seen, clock = [clouds[key]], np.zeros(1)
    elif len(clouds) - key > key:
        seen, clock = clouds[key : key + WINDOW], times[key : key + WINDOW]
    else:
        back = slice(key, key - WINDOW if key >= WINDOW else None, -1)
        seen, clock = clouds[back], -times[back]
    seen = gather_for_network(seen, settings.seed, corresponding=settings.corresponding)
    length = max(float(clock[-1] - clock[0]), 1e-12)
    relative = (clock - clock[0]) / length
    return Observation(seen, relative.astype(np.float32))


def _in_scan(
    fitted: FittedClip,
    scan: Scan,
    frame: NormalizationFrame,
    settings: ScanSettings,
) -> MeshSequence:
    times, up, faces = scan.times, settings.up, fitted.surface.faces
    vertices = fitted.vertices(times)
    normals = None
    if settings.normals:
        normals = from_y_up(vertex_normals(vertices, faces), up)
    world = from_y_up(frame.to_world(vertices.astype(np.float64)), up)
    relative = (times - times[0]) / (times[-1] - times[0])
    return MeshSequence(faces, world, relative, normals)
