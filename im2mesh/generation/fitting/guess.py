"""The guess from which a fit begins: rest, the drift of the clouds, or known paths of the nodes."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from im2mesh.generation.fitting.graph import NodeGraph
from im2mesh.generation.fitting.node_motion import FittedMotion, Pose, WindowBasis

Guess = Callable[[NodeGraph], FittedMotion]
"""The nodes of a surface -> a motion from which a search may begin."""

RIDGE = 1e-6
"""Keeps coefficients small where few frames do not determine them."""


def resting_motion(graph: NodeGraph, times: Float[np.ndarray, "T"], start: Pose) -> FittedMotion:
    """Nodes that stay in a pose over a window of frames."""
    basis = WindowBasis.of_frames(times)
    return FittedMotion(basis, start, torch.zeros(len(graph.positions), basis.size, 6))


def drift_motion(
    clouds: Sequence[Float[np.ndarray, "_ 3"]], times: Float[np.ndarray, "T"]
) -> Guess:
    """The motion in which all nodes move as the middle of the clouds does; empty ones say nothing.
    A body that walks is lost, where nearest points alone must find it again."""
    seen = [k for k, cloud in enumerate(clouds) if len(cloud)]
    middles = np.stack([np.median(clouds[k], axis=0) for k in seen])

    def guess(graph: NodeGraph) -> FittedMotion:
        rest = resting_motion(graph, times, Pose.at_rest(len(graph.positions)))
        drift = _fit(rest.basis.values(times[seen]), middles - middles[0])
        coefficients = rest.coefficients.clone()
        coefficients[..., 3:] = torch.from_numpy(drift.astype(np.float32))
        return replace(rest, coefficients=coefficients)

    return guess


def guess_motion(
    graph: NodeGraph, paths: Float[np.ndarray, "T K 3"], times: Float[np.ndarray, "T"]
) -> FittedMotion:
    """The motion in which nodes follow paths, and turn with their neighbours.

    Args:
        paths: Positions of the nodes at the frames; they begin at their places at rest.
        times: Times of the frames, strictly increasing.
    """
    basis = WindowBasis.of_frames(times)
    moved = np.concatenate([_turns(graph, paths), paths - paths[0]], -1)  # [T, K, 6]
    fitted = _fit(basis.values(times), moved.reshape(len(moved), -1))
    coefficients = fitted.reshape(basis.size, -1, 6).transpose(1, 0, 2)
    pose = Pose.at_rest(len(graph.positions))
    return FittedMotion(basis, pose, torch.from_numpy(coefficients.astype(np.float32)))


def _fit(
    values: Float[torch.Tensor, "T D"], moved: Float[np.ndarray, "T N"]
) -> Float[np.ndarray, "D N"]:
    """Coefficients of the basis with these values that come nearest to what has moved."""
    basis = values.double().numpy()
    return np.linalg.solve(basis.T @ basis + RIDGE * np.eye(basis.shape[1]), basis.T @ moved)


def _turns(graph: NodeGraph, paths: Float[np.ndarray, "T K 3"]) -> Float[np.ndarray, "T K 3"]:
    """Rotation vectors of the turns that fit the ways to neighbours best (Kabsch, 1976)."""
    near = graph.neighbours.numpy()
    edges = paths[:, near] - paths[:, :, None]  # [T, K, n, 3]
    products = np.einsum("kni,tknj->tkij", edges[0], edges)
    left, _, right = np.linalg.svd(products)
    rotations = (left @ right).swapaxes(-1, -2)
    mirrored = np.linalg.det(rotations) < 0
    left[mirrored, :, -1] *= -1
    rotations = (left @ right).swapaxes(-1, -2)
    vectors = Rotation.from_matrix(rotations.reshape(-1, 3, 3)).as_rotvec()
    return vectors.reshape(*paths.shape)
