"""How far each vertex of a prediction, or of the truth, lies from where it should be."""

from collections.abc import Mapping, Sequence

import numpy as np

from im2mesh.data.frames import StoredWindow
from im2mesh.evaluation.metrics import EMPTY_DISTANCE, correspondence_errors, nearest_neighbours
from im2mesh.evaluation.predictions import Prediction
from im2mesh.meshing.mesh import Mesh
from im2mesh.visualization.panel import Kind, VertexErrors


def vertex_errors(
    stored: StoredWindow,
    prediction: Prediction,
    correspondence: bool = True,
    project_to_final_mesh: bool = False,
) -> VertexErrors:
    """Distances to the true surface points of pcl_seq, matched as the evaluation matches them.

    Args:
        stored: Window with the true points.
        prediction: Prediction in the window's coordinates. Without correspondence, or with one
            frame only, its distances are those to the nearest points.
        correspondence: Whether row i of the true points is the same particle in all frames.
        project_to_final_mesh: See `correspondence_errors`.
    """
    meshes = prediction.meshes
    truth = [stored.surface_points(k).points for k in meshes]
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

    A hand that was not predicted has no vertices, and so no errors of its own; here it shows.
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
