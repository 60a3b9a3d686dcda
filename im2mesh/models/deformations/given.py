"""Deformations without weights: they show how far one gets without learning anything."""

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

from im2mesh.config.values import PositiveInt
from im2mesh.models.code import FramesCode, interpolate_frames
from im2mesh.models.deformations.one_shot import OneShotDeformation
from im2mesh.models.layers.neighbours import gather_rows, nearest_rows

SOFTENING = 0.02
"""Distance below which neighbours have similar weights, in units of the first frame."""


class Static(OneShotDeformation[Tensor]):
    """Nothing moves."""

    reads = FramesCode

    def __init__(self, code_size: int, latent_size: int) -> None:
        super().__init__()

    def depart(
        self, points: Float[Tensor, "B N 3"], start: Float[Tensor, "B"], code: FramesCode
    ) -> Float[Tensor, "B N 3"]:
        return points

    def arrive(
        self, departure: Float[Tensor, "B N 3"], end: Float[Tensor, "B"], code: FramesCode
    ) -> Float[Tensor, "B N 3"]:
        return departure


@dataclass(frozen=True)
class OffTrajectories:
    """Points at their start time, and the input trajectories that they will follow.

    Attributes:
        points: Positions of the points at the start time.
        trajectories: Positions of all input trajectories at the start time.
        rows: Rows of the nearest trajectories of every point.
        weights: Weights of these trajectories, with a sum of 1 for every point.
    """

    points: Float[Tensor, "B N 3"]
    trajectories: Float[Tensor, "B M 3"]
    rows: Int[Tensor, "B N k"]
    weights: Float[Tensor, "B N k 1"]


class Carried(OneShotDeformation[OffTrajectories]):
    """A point moves with its nearest input trajectories.

    The nearest trajectories are found at the start time. Their displacements until the end time are
    averaged with weights 1 / (start distance + 0.02)^2. Trajectories are straight between frames.
    """

    reads = FramesCode
    input_kind = "pointcloud"
    needs_corresponding_points = True

    def __init__(
        self, code_size: int, latent_size: int, *, num_neighbours: PositiveInt = 4
    ) -> None:
        super().__init__()
        self.num_neighbours = num_neighbours

    def depart(
        self, points: Float[Tensor, "B N 3"], start: Float[Tensor, "B"], code: FramesCode
    ) -> OffTrajectories:
        before = interpolate_frames(code.frames, code.times, start)
        rows = nearest_rows(points, before, self.num_neighbours)
        offsets = points.unsqueeze(2) - gather_rows(before, rows)
        weights = (offsets.norm(dim=-1, keepdim=True) + SOFTENING) ** -2
        weights = weights / weights.sum(2, keepdim=True)
        return OffTrajectories(points, before, rows, weights)

    def arrive(
        self, departure: OffTrajectories, end: Float[Tensor, "B"], code: FramesCode
    ) -> Float[Tensor, "B N 3"]:
        after = interpolate_frames(code.frames, code.times, end)
        displacements = gather_rows(after - departure.trajectories, departure.rows)
        return departure.points + (departure.weights * displacements).sum(2)
