"""How far each vertex of a prediction, or of the truth, lies from where it should be."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float

from im2mesh.data.fields import read_surface_points
from im2mesh.data.sequences import Window
from im2mesh.meshing.io import Mesh
from im2mesh.metrics import EMPTY_DISTANCE, correspondence_errors, nearest_neighbours
from im2mesh.predictions import Prediction

Kind = Literal["matched", "projected", "nearest", "missing"]


@dataclass(frozen=True)
class VertexErrors:
    """Distances in units of the longest side of the first true mesh.

    Attributes:
        by_frame: Number of a frame -> one distance per vertex.
        kind: Of predicted vertices, "matched" and "projected" are `correspondence_errors`, without
            and with a projection of the last frame; "nearest" is the distance to the nearest true
            point of the same frame, which says nothing of correspondence. Of true vertices,
            "missing" is the distance to the nearest predicted vertex.
    """

    by_frame: dict[int, Float[np.ndarray, " V"]]
    kind: Kind


def vertex_errors(
    root: Path | str,
    window: Window,
    prediction: Prediction,
    correspondence: bool = True,
    project_to_final_mesh: bool = False,
) -> VertexErrors:
    """Distances to the true surface points of pcl_seq, matched as the evaluation matches them.

    Args:
        root: Data folder.
        window: Which frames.
        prediction: In the window's coordinates. One without correspondence, or of one frame only,
            is measured to the nearest points.
        correspondence: Whether rows of the true points correspond over the frames of a clip.
        project_to_final_mesh: See `correspondence_errors`.
    """
    meshes = prediction.meshes
    truth = [read_surface_points(root, window, k).points for k in meshes]
    if correspondence and prediction.corresponds and len(meshes) > 1:
        vertices = np.stack([mesh.vertices for mesh in meshes.values()])
        errors = correspondence_errors(vertices, np.stack(truth), project_to_final_mesh)
        kind: Kind = "projected" if project_to_final_mesh else "matched"
        return VertexErrors(dict(zip(meshes, errors, strict=True)), kind)
    pairs = zip(meshes.items(), truth, strict=True)
    return VertexErrors(
        {k: nearest_neighbours(mesh.vertices, points)[0] for (k, mesh), points in pairs}, "nearest"
    )


def missing_parts(truth: Sequence[Mesh], prediction: Mapping[int, Mesh]) -> VertexErrors:
    """Distance of each true vertex to the nearest predicted one, in the frames predicted.

    A hand that was not predicted has no vertex whose error could tell; here it shows.
    """
    return VertexErrors(
        {
            k: np.full(len(truth[k].vertices), EMPTY_DISTANCE)
            if mesh.is_empty
            else nearest_neighbours(truth[k].vertices, mesh.vertices)[0]
            for k, mesh in prediction.items()
        },
        "missing",
    )
