"""Whether what the files of a frame hold fits together: pure functions of arrays.

Positions are normalised as they are stored, so lengths are in units of the body's longest side.
Each function returns what is wrong, with the way out, or None.
"""

import numpy as np
from jaxtyping import Float
from scipy.spatial import KDTree

from im2mesh.data.sampling import CUBE_SIDE
from im2mesh.data.transforms import NormalizationFrame
from im2mesh.meshing.containment import points_inside_mesh
from im2mesh.meshing.mesh import Mesh
from im2mesh.preparation.checks.stored import Cloud, Labels

_MOST_SURFACE, _MOST_LABELS = 8000, 2000  # rows that are looked at
_OFF_CENTRE, _SHORTEST, _LONGEST = 0.1, 0.75, 1.05
"""Of the box of a cloud: a few hundred points do not reach its sides."""
_MARGIN = 0.02
"""Of the cube of labelled points, and of the box around the body."""
_NOISE = 0.05
"""Of depth cameras, in the worst case."""
_MOST_WRONG = 0.1
"""Share of the pairs or points of a frame that may contradict the rest: clouds are coarse."""
_FEWEST = 10  # pairs or points that say something


def check_normalisation(points: Float[np.ndarray, "N 3"]) -> str | None:
    """Whether a cloud is centred and spans 1 along its longest side."""
    low, high = points.min(0), points.max(0)
    side, centre = float((high - low).max()), float(np.abs(low + high).max() / 2)
    if _SHORTEST < side < _LONGEST and centre < _OFF_CENTRE:
        return None
    return (
        "the cloud is not normalised: its longest side should be about 1 and its centre 0, got "
        f"{side:.2g} and {centre:.2g}; store points as (world - loc) / scale"
    )


def check_normals(normals: Float[np.ndarray, "N 3"]) -> str | None:
    lengths = np.linalg.norm(normals, axis=1)
    if (np.abs(lengths - 1) < 0.02).mean() > 0.99:
        return None
    return f"normals are not of length 1 (median {np.median(lengths):.2g}); normalise them"


def check_depth(cloud: Cloud, seen: Cloud) -> str | None:
    """Whether depth cameras saw the surface, up to noise and single points beside it."""
    placed = cloud.frame.from_world(seen.frame.to_world(seen.points))
    distance, _ = KDTree(cloud.points).query(placed)
    typical = float(np.median(distance))
    if typical < _NOISE + _spacing(cloud.points):
        return None
    return (
        f"half of the points of depth_seq are farther than {typical:.2g} from the cloud; write "
        "both in the frame of reference of the same frame"
    )


def check_labels(cloud: Cloud, labels: Labels, is_uniform: bool) -> str | None:
    """Whether labels change at the surface and nowhere else."""
    if not _same_frame(cloud.frame, labels.frame):
        return (
            "loc and scale of the labelled points are not those of the cloud; write both with "
            "those of the same frame"
        )
    reach = float(np.abs(labels.points).max())
    if is_uniform and reach > CUBE_SIDE / 2 + _MARGIN:
        return (
            f"labelled points reach {reach:.2g} from the centre, outside of the cube of side "
            f"{CUBE_SIDE}; store them as (world - loc) / scale"
        )
    share = float(labels.inside.mean())
    if share == 0 or share == 1:
        which = "all" if share else "none"
        return f"{which} of the labelled points lie inside; label them again"
    low, high = cloud.points.min(0) - _MARGIN, cloud.points.max(0) + _MARGIN
    beside = ((labels.points < low) | (labels.points > high)).any(1)
    if beside.sum() >= _FEWEST and labels.inside[beside].mean() > _MOST_WRONG:
        return "points beside the body are labelled inside: are labels inverted? label them again"
    return _check_borders(cloud, labels)


def check_sides(cloud: Cloud, labels: Labels) -> str | None:
    """Whether normals point from the points inside to those outside."""
    if cloud.normals is None:
        return None
    step = max(1, len(cloud.points) // _MOST_SURFACE)
    surface, normals = cloud.points[::step], cloud.normals[::step]
    points, inside = labels.points[:_MOST_LABELS], labels.inside[:_MOST_LABELS]
    distance, nearest = KDTree(surface).query(points)
    is_told = (distance > _spacing(surface)) & (distance < 0.15)
    if is_told.sum() < _FEWEST:
        return None
    is_before = np.einsum("nd,nd->n", points - surface[nearest], normals[nearest]) > 0
    agreement = float((is_before != inside)[is_told].mean())
    if agreement > 0.7:
        return None
    if agreement < 0.3:
        return "normals point into the body; turn them"
    return f"only {agreement:.0%} of the labelled points lie on the side that normals say"


def check_mesh(cloud: Cloud, mesh: Mesh) -> str | None:
    """Whether a mesh in world coordinates lies where the cloud lies."""
    corners = mesh.vertices[mesh.faces.ravel()] if len(mesh.faces) else mesh.vertices
    if len(corners) == 0:
        return "the mesh is empty; write it again"
    placed = cloud.frame.from_world(corners.astype(np.float64))
    gap = max(
        float(np.abs(placed.min(0) - cloud.points.min(0)).max()),
        float(np.abs(placed.max(0) - cloud.points.max(0)).max()),
    )
    if gap < 0.15:
        return None
    return (
        f"the box of the mesh is off that of the cloud by {gap:.2g} of its size; write both in the "
        "same world coordinates, in metres"
    )


def check_labels_by_mesh(labels: Labels, mesh: Mesh) -> str | None:
    """Whether labels are what the mesh says; only some points are asked."""
    points, inside = labels.points[:_MOST_LABELS], labels.inside[:_MOST_LABELS]
    vertices = labels.frame.from_world(mesh.vertices.astype(np.float64))
    agreement = float((points_inside_mesh(points, vertices, mesh.faces) == inside).mean())
    if agreement > 0.99:
        return None
    return (
        f"only {agreement:.1%} of the labels are what the mesh says; label the points again, after "
        "they are rounded to float16"
    )


def _check_borders(cloud: Cloud, labels: Labels) -> str | None:
    """Between neighbours with different labels there must be surface."""
    surface = cloud.points[:: max(1, len(cloud.points) // _MOST_SURFACE)]
    points, inside = labels.points[:_MOST_LABELS], labels.inside[:_MOST_LABELS]
    if len(points) < 2:
        return None
    distance, pair = map(np.asarray, KDTree(points).query(points, 2))
    differs = inside[pair[:, 0]] != inside[pair[:, 1]]
    if differs.sum() < _FEWEST:
        return None
    middle = points[pair[differs]].mean(1)
    to_surface, _ = KDTree(surface).query(middle)
    is_far = to_surface > distance[differs, 1] / 2 + 3 * _spacing(surface)
    if is_far.mean() < _MOST_WRONG:
        return None
    return (
        f"labels change where there is no surface ({is_far.mean():.0%} of the places); label the "
        "points by the surface of the same frame"
    )


def _spacing(surface: Float[np.ndarray, "N 3"]) -> float:
    """Typical distance from a point to its neighbour."""
    if len(surface) < 2:
        return 0.0
    sample = surface[:500]
    return float(np.median(KDTree(surface).query(sample, 2)[0][:, 1]))


def _same_frame(one: NormalizationFrame, other: NormalizationFrame) -> bool:
    """Up to the rounding of float16."""
    apart = float(np.abs(one.loc - other.loc).max())
    far = float(np.abs(one.loc).max())
    return apart < 1e-3 * (one.scale + far) and abs(other.scale / one.scale - 1) < 2e-3
