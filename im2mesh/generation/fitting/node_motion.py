"""How nodes move and turn over a window of time, and what that does to the points they carry."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from numpy.polynomial import legendre
from torch import Tensor

from im2mesh.generation.fitting.graph import NodeGraph, Shares
from im2mesh.models.local.paths import legendre_basis
from im2mesh.models.local.rotations import rotation_matrices

DEGREE = 6
"""Degree in time over a window of 17 frames. A lower one is too smooth for a punch in a quarter of
a second; a higher one follows noise."""
SLACK = 0.001
"""Distance, in units of the first frame, below which stretching counts by its square after all."""


@dataclass(frozen=True)
class Pose:
    """Where nodes are, and how they are turned, relative to rest.

    Attributes:
        turns: Rotation matrices.
        shifts: Displacements of the nodes.
    """

    turns: Float[Tensor, "*T K 3 3"]
    shifts: Float[Tensor, "*T K 3"]

    @staticmethod
    def at_rest(num_nodes: int) -> "Pose":
        return Pose(torch.eye(3).repeat(num_nodes, 1, 1), torch.zeros(num_nodes, 3))

    def detached(self) -> "Pose":
        return Pose(self.turns.detach(), self.shifts.detach())

    def at(self, frame: int) -> "Pose":
        return Pose(self.turns[frame], self.shifts[frame])

    def as_frames(self) -> "Pose":
        """The pose of a single frame, as a pose of all frames, of which there is one."""
        return Pose(self.turns.unsqueeze(0), self.shifts.unsqueeze(0))


@dataclass(frozen=True)
class WindowBasis:
    """Polynomials over a window of time that vanish at its start.

    Attributes:
        start, end: The window, in any unit of time.
        degree: Highest degree.
        with_rest: Whether there is also a constant, before the others: the surface at rest is not
            quite where it should be.
    """

    start: float
    end: float
    degree: int
    with_rest: bool = False

    @property
    def size(self) -> int:
        """Number D of polynomials."""
        return self.degree + self.with_rest

    @staticmethod
    def of_frames(times: Float[np.ndarray, "T"]) -> "WindowBasis":
        """For frames at these times, with less freedom than there are frames."""
        return WindowBasis(float(times[0]), float(times[-1]), min(DEGREE, max(1, len(times) - 1)))

    def values(self, times: Float[np.ndarray, "T"]) -> Float[Tensor, "T D"]:
        t = torch.from_numpy(np.concatenate([[0.0], self._relative(times)]).astype(np.float32))
        values = legendre_basis(t, self.degree)
        moving = (values[1:] - values[:1])[:, 1:]
        return F.pad(moving, (1, 0), value=1.0) if self.with_rest else moving

    def bends(self, times: Float[np.ndarray, "T"]) -> Float[Tensor, "T D"]:
        """Second derivatives, for a clock that counts these frames."""
        slopes = [
            legendre.legval(2 * self._relative(times) - 1, legendre.legder(unit, 2))
            for unit in np.eye(self.degree + 1)[1:]
        ]
        per_frame = 1 / max(1, len(times) - 1)
        bends = torch.from_numpy((4 * per_frame**2 * np.stack(slopes, 1)).astype(np.float32))
        return F.pad(bends, (1, 0)) if self.with_rest else bends

    def _relative(self, times: Float[np.ndarray, "T"]) -> Float[np.ndarray, "T"]:
        return (times - self.start) / max(self.end - self.start, 1e-12)


@dataclass(frozen=True)
class FittedMotion:
    """The motion of the nodes of a graph over a window.

    Attributes:
        start: Pose at the start of the window.
        coefficients: Of the motion since then; see `move_nodes`.
    """

    basis: WindowBasis
    start: Pose
    coefficients: Float[Tensor, "K D 6"]

    def pose(self, times: Float[np.ndarray, "T"]) -> Pose:
        return move_nodes(self.basis.values(times), self.coefficients, self.start)


def move_nodes(
    values: Float[Tensor, "T D"], coefficients: Float[Tensor, "K D 6"], start: Pose
) -> Pose:
    """The poses of all nodes at all frames.

    Args:
        values: Of the basis at the frames.
        coefficients: Of the rotation vector, in radians, and the displacement, both since `start`.
        start: Pose at the start of the window.
    """
    moved = torch.einsum("td,kdc->tkc", values, coefficients)
    turns = rotation_matrices(moved[..., :3]) @ start.turns
    return Pose(turns, start.shifts + moved[..., 3:])


def carry_points(
    graph: NodeGraph, pose: Pose, points: Float[Tensor, "N 3"], shares: Shares
) -> Float[Tensor, "T N 3"]:
    """Positions of points of the surface at all frames of a pose, from those at rest."""
    maps = _node_maps(graph, pose)  # [T, K, 3, 4]
    num_frames = len(maps)
    blended = _blend(maps.transpose(0, 1).flatten(1), shares.nodes, shares.weights)
    turns, shifts = blended.unflatten(-1, (num_frames, 3, 4)).split((3, 1), -1)  # [N, T, 3, .]
    carried = (turns * points[:, None, None]).sum(-1) + shifts.squeeze(-1)
    return carried.transpose(0, 1)


def carry_matched(
    graph: NodeGraph,
    pose: Pose,
    frames: Int[Tensor, "M"],
    points: Float[Tensor, "M 3"],
    normals: Float[Tensor, "M 3"],
    shares: Shares,
) -> tuple[Float[Tensor, "M 3"], Float[Tensor, "M 3"]]:
    """Positions and unit normals of points of the surface, each at a frame of its own."""
    maps = _node_maps(graph, pose)
    rows = frames.unsqueeze(1) * maps.shape[1] + shares.nodes
    blended = _blend(maps.flatten(0, 1).flatten(1), rows, shares.weights)
    turns, shifts = blended.unflatten(-1, (3, 4)).split((3, 1), -1)  # [M, 3, .]
    carried = (turns * points.unsqueeze(-2)).sum(-1) + shifts.squeeze(-1)
    return carried, F.normalize((turns * normals.unsqueeze(-2)).sum(-1), dim=-1)


def uncarry_points(
    graph: NodeGraph, pose: Pose, carried: Float[Tensor, "N 3"], shares: Shares
) -> Float[Tensor, "N 3"]:
    """Where points were at rest that these nodes carry in the pose of one frame."""
    maps = _node_maps(graph, pose.as_frames())[0]
    blended = _blend(maps.flatten(1), shares.nodes, shares.weights).unflatten(-1, (3, 4))
    turns, shifts = blended.split((3, 1), -1)
    return torch.linalg.solve(turns, carried.unsqueeze(-1) - shifts).squeeze(-1)


def _node_maps(graph: NodeGraph, pose: Pose) -> Float[Tensor, "T K 3 4"]:
    """What each node does with a point at rest that it alone carries: a turn, then a shift."""
    at_nodes = (graph.positions + pose.shifts).unsqueeze(-1)  # [T, K, 3, 1]
    shifts = at_nodes - pose.turns @ graph.positions.unsqueeze(-1)
    return torch.cat([pose.turns, shifts], -1)


def _blend(
    maps: Float[Tensor, "R D"], rows: Int[Tensor, "N k"], weights: Float[Tensor, "N k"]
) -> Float[Tensor, "N D"]:
    """Weighted sums of rows. An embedding bag gathers and adds in one pass."""
    return F.embedding_bag(rows, maps, per_sample_weights=weights, mode="sum")


def stretch(graph: NodeGraph, pose: Pose) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """How far neighbouring nodes are from moving rigidly together, and from turning alike.

    As rigid as possible (Sorkine and Alexa, SGP 2007). Mean distances, in units of the first frame,
    and not squared ones: a body bends at its joints and hardly elsewhere, and squares would rather
    stretch all of a limb a little, which lets the surface slide along it. Of turns, mean squared
    distances at a neighbour of the usual distance.
    """
    near = graph.neighbours
    edges = graph.positions[near] - graph.positions.unsqueeze(1)  # [K, n, 3]
    at_nodes = graph.positions + pose.shifts
    expected = torch.einsum("tkij,knj->tkni", pose.turns, edges) + at_nodes.unsqueeze(2)
    squares = (expected - at_nodes[:, near]).square().sum(-1)
    rigid = (squares + SLACK**2).sqrt().mean() - SLACK  # pseudo-Huber: smooth at 0
    turned = (pose.turns.unsqueeze(2) - pose.turns[:, near]).square().sum((-1, -2)).mean()
    return rigid, turned * graph.spacing**2
