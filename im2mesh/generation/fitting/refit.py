"""A model's moving mesh, fitted to what was observed: the network's answer is where it begins."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from im2mesh.config.schema import GenerationConfig
from im2mesh.data.batch import Observation
from im2mesh.generation.fitting.clip import ObservedClip
from im2mesh.generation.fitting.clip_fit import fit_clip
from im2mesh.generation.fitting.graph import NodeGraph
from im2mesh.generation.fitting.guess import guess_motion
from im2mesh.generation.fitting.node_motion import FittedMotion
from im2mesh.generation.surface import SurfaceOfCloud
from im2mesh.meshing.mesh import Mesh
from im2mesh.meshing.mesh_sequence import MeshSequence
from im2mesh.meshing.normals import vertex_normals


def refit(
    sequence: MeshSequence,
    observation: Observation,
    config: GenerationConfig,
    extract: SurfaceOfCloud | None = None,
    *,
    corresponding: bool,
) -> MeshSequence:
    """Fit the motion of a surface that a model has carried.

    Args:
        sequence: Surface in the coordinates of the window's first frame, from t = 0 on.
        observation: Clouds in the same coordinates, from t = 0 on.
        config: Number of iterations, and the seed.
        extract: What gives the surface of a cloud, so that the shape at t = 0 is found anew from
            clouds that do not correspond; None keeps the shape, with its vertices.
        corresponding: Whether row n is the same particle in all clouds.

    Raises:
        ValueError: If images were observed.
    """
    if observation.inputs.ndim != 3:
        raise ValueError("generation.fit_iterations is for clouds, and images are observed; set 0")
    if sequence.is_empty or len(observation.inputs) == 1:
        return sequence
    times = observation.times.astype(np.float64)

    def guess(graph: NodeGraph) -> FittedMotion:
        return guess_motion(graph, _at_times(sequence, graph.rows, times), times)

    clip = ObservedClip(list(observation.inputs), times, corresponding=corresponding)
    start = Mesh(sequence.vertices[0], sequence.faces)
    fitted = fit_clip(
        start,
        clip,
        iterations=config.fit_iterations,
        extract=extract,
        guess=guess,
        seed=config.seed,
    )
    vertices, faces = fitted.vertices(sequence.times), fitted.surface.faces
    normals = None if sequence.normals is None else vertex_normals(vertices, faces)
    return replace(sequence, faces=faces, vertices=vertices, normals=normals)


def _at_times(
    sequence: MeshSequence, rows: np.ndarray, times: Float[np.ndarray, "T"]
) -> Float[np.ndarray, "T K 3"]:
    """Positions of some vertices at other times, interpolated linearly."""
    known = sequence.vertices[:, rows].reshape(sequence.num_frames, -1)
    columns = [np.interp(times, sequence.times, column) for column in known.T]
    return np.stack(columns, 1).reshape(len(times), -1, 3)
