"""Measures of one predicted frame or sequence against the truth: arrays in, numbers out.

All positions and distances are in the coordinates of the window's first frame, where the first true
mesh spans 1 along the longest side of its box.

An empty prediction must not flatter. Its distances are EMPTY_DISTANCE, which no shape inside the
unit cube can exceed; its IoU and its normal consistency are 0, the worst value of either. Infinite
distances would say the same of one frame but wipe out every mean over frames, and leaving the frame
out would reward a method for predicting nothing where the task is hard. The official evaluation
(im2mesh/eval.py) counts the same distances, but -1 for normals, which no mean of |cos| can reach.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.spatial import KDTree

EMPTY_DISTANCE = math.sqrt(3.0)  # diagonal of the unit cube


@dataclass(frozen=True)
class SurfaceDistances:
    """Distances between a predicted and a true surface, both given as samples.

    Attributes:
        accuracy: Mean distance from a predicted sample to the nearest true one.
        completeness: Mean distance from a true sample to the nearest predicted one.
        accuracy_squared, completeness_squared: Means of the squared distances.
        normal_accuracy, normal_completeness: Mean |cos| of the angle between the normals of a
            sample and of its nearest neighbour, per direction; None without normals.
    """

    accuracy: float
    completeness: float
    accuracy_squared: float
    completeness_squared: float
    normal_accuracy: float | None = None
    normal_completeness: float | None = None

    @property
    def chamfer_l1(self) -> float:
        """Mean of accuracy and completeness (Occupancy Networks' Chamfer-L1)."""
        return (self.accuracy + self.completeness) / 2

    @property
    def chamfer_l2(self) -> float:
        """Sum of the mean squared distances of both directions (official evaluation's Chamfer)."""
        return self.accuracy_squared + self.completeness_squared

    @property
    def normal_consistency(self) -> float | None:
        """Mean |cos| of both directions; None without normals."""
        if self.normal_accuracy is None or self.normal_completeness is None:
            return None
        return (self.normal_accuracy + self.normal_completeness) / 2


def iou(predicted: Bool[np.ndarray, " N"], target: Bool[np.ndarray, " N"]) -> float:
    """Intersection over union of two sets of points.

    Two empty sets agree in every point, so their IoU is 1; a 0/0 in one frame would spoil the mean
    over all frames.
    """
    if predicted.shape != target.shape:
        raise ValueError(f"{predicted.shape} predicted labels, {target.shape} true ones")
    union = np.count_nonzero(predicted | target)
    return np.count_nonzero(predicted & target) / union if union else 1.0


def nearest_neighbours(
    source: Float[np.ndarray, "N 3"], target: Float[np.ndarray, "M 3"]
) -> tuple[Float[np.ndarray, " N"], Int[np.ndarray, " N"]]:
    """Distance from each source point to the nearest target point, and the latter's index.

    Raises:
        ValueError: If there is no target point, or a position is not finite.
    """
    return _query(_tree(target), source)


def surface_distances(
    predicted: Float[np.ndarray, "N 3"],
    target: Float[np.ndarray, "M 3"],
    predicted_normals: Float[np.ndarray, "N 3"] | None = None,
    target_normals: Float[np.ndarray, "M 3"] | None = None,
) -> SurfaceDistances:
    """Distances, and agreement of normals where both sides have them, in both directions.

    Args:
        predicted, target: Samples of the surfaces. An empty prediction gets the values that the top
            of this module explains.
        predicted_normals, target_normals: Unit normals; their sign does not matter.

    Raises:
        ValueError: If there is no target point, or a position is not finite.
    """
    if len(target) == 0:
        raise ValueError("the true surface has no points")
    if len(predicted) == 0:
        squared = EMPTY_DISTANCE**2
        cosine = None if target_normals is None else 0.0
        return SurfaceDistances(EMPTY_DISTANCE, EMPTY_DISTANCE, squared, squared, cosine, cosine)
    target_tree = _tree(target)
    forth, nearest_target = _query(target_tree, predicted)
    # queries in the order of the tree, from neighbour to neighbour, are a third faster than random
    order = target_tree.indices
    back, nearest_predicted = _query(_tree(predicted), target[order])
    cosine_forth = cosine_back = None
    if predicted_normals is not None and target_normals is not None:
        cosine_forth = _mean_cosine(predicted_normals, target_normals[nearest_target])
        cosine_back = _mean_cosine(target_normals[order], predicted_normals[nearest_predicted])
    return SurfaceDistances(
        accuracy=float(forth.mean()),
        completeness=float(back.mean()),
        accuracy_squared=float((forth**2).mean()),
        completeness_squared=float((back**2).mean()),
        normal_accuracy=cosine_forth,
        normal_completeness=cosine_back,
    )


def correspondence_l2(
    predicted: Float[np.ndarray, "T V 3"],
    target: Float[np.ndarray, "T M 3"],
    project_to_final_mesh: bool = False,
) -> Float[np.ndarray, " T"]:
    """Mean of `correspondence_errors` (not squared) over the vertices of each frame.

    Without vertices every frame counts EMPTY_DISTANCE.
    """
    errors = correspondence_errors(predicted, target, project_to_final_mesh)
    if errors.shape[1] == 0:
        return np.full(len(target), EMPTY_DISTANCE)
    return errors.mean(axis=1)


def correspondence_errors(
    predicted: Float[np.ndarray, "T V 3"],
    target: Float[np.ndarray, "T M 3"],
    project_to_final_mesh: bool = False,
) -> Float[np.ndarray, "T V"]:
    """Distance (not squared) of each predicted vertex to the true particle it follows.

    A vertex is matched once: to the target point nearest to it at t = 0.

    Args:
        predicted: Vertices over time; vertex i is the same predicted surface point in all frames.
        target: True particles over time; row i is the same particle in all frames.
        project_to_final_mesh: First move each vertex of the last frame to its nearest target point
            of that frame, so that only the error along the surface is left (for shape matching).

    Raises:
        ValueError: If the frames differ in number, or there is no target point.
    """
    if len(predicted) != len(target):
        raise ValueError(f"{len(predicted)} predicted frames, {len(target)} true frames")
    if target.shape[1] == 0:
        raise ValueError("the true surface has no points")
    if predicted.shape[1] == 0:
        return np.zeros((len(target), 0))
    _, match = nearest_neighbours(predicted[0], target[0])
    if project_to_final_mesh:
        _, nearest = nearest_neighbours(predicted[-1], target[-1])
        predicted = np.concatenate([predicted[:-1], target[-1:, nearest]])
    return np.array(
        [
            np.linalg.norm(p.astype(np.float64) - q[match].astype(np.float64), axis=-1)
            for p, q in zip(predicted, target, strict=True)
        ]
    )


def sample_surface(
    vertices: Float[np.ndarray, "V 3"],
    faces: Int[np.ndarray, "F 3"],
    num_samples: int,
    rng: np.random.Generator,
) -> tuple[Float[np.ndarray, "N 3"], Float[np.ndarray, "N 3"]]:
    """Points drawn uniformly by area from a mesh, and the unit normals of their faces.

    Samples come in the order of their faces, so neighbours in the list are near each other, which
    makes the nearest-neighbour search faster. A mesh without faces has no samples.
    """
    if len(faces) == 0:
        return np.zeros((0, 3)), np.zeros((0, 3))
    corners = vertices.astype(np.float64)[faces]  # [F, 3 corners, 3]
    edge_u, edge_v = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    normals = np.cross(edge_u, edge_v)
    double_area = np.linalg.norm(normals, axis=1)
    if not np.isfinite(double_area).all():
        raise ValueError("the mesh has vertices that are not finite")
    if double_area.sum() == 0:  # collapsed to points or lines: every face counts the same
        double_area = np.ones(len(faces))
    counts = rng.multinomial(num_samples, double_area / double_area.sum())
    face = np.repeat(np.arange(len(faces)), counts)
    u, v = rng.random((2, num_samples, 1))
    flip = u + v > 1  # fold the parallelogram onto the triangle
    u, v = np.where(flip, 1 - u, u), np.where(flip, 1 - v, v)
    points = corners[face, 0] + u * edge_u[face] + v * edge_v[face]
    return points, (normals / np.maximum(double_area, 1e-300)[:, None])[face]


def _tree(points: Float[np.ndarray, "N 3"]) -> KDTree:
    if len(points) == 0:
        raise ValueError("expected at least one target point, got none")
    # for points on a surface, an unbalanced tree with large leaves is faster to build and search
    return KDTree(points, leafsize=32, balanced_tree=False)


def _query(
    tree: KDTree, points: Float[np.ndarray, "N 3"]
) -> tuple[Float[np.ndarray, " N"], Int[np.ndarray, " N"]]:
    distance, index = tree.query(points, workers=torch.get_num_threads())
    return np.asarray(distance), np.asarray(index)


def _mean_cosine(a: Float[np.ndarray, "N 3"], b: Float[np.ndarray, "N 3"]) -> float:
    return float(np.abs((a.astype(np.float64) * b.astype(np.float64)).sum(axis=-1)).mean())
