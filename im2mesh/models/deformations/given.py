"""Deformations without weights: how far one comes without learning anything."""

from jaxtyping import Float
from torch import Tensor

from im2mesh.config import PositiveInt
from im2mesh.models.code import Code, FramesCode, interpolate_frames
from im2mesh.models.deformations.one_shot import OneShotDeformation
from im2mesh.models.neighbours import gather_rows, nearest_rows

SOFTENING = 0.02
"""Distance below which neighbours weigh alike, in units of the first frame."""


class Static(OneShotDeformation):
    """Nothing moves."""

    reads = FramesCode

    def __init__(self, code_size: int, latent_size: int) -> None:
        super().__init__()

    def move(
        self,
        points: Float[Tensor, "B N 3"],
        start: Float[Tensor, "B"],
        end: Float[Tensor, "B"],
        code: Code,
    ) -> Float[Tensor, "B N 3"]:
        return points


class Carried(OneShotDeformation):
    """A point moves with its nearest input trajectories.

    At the start the nearest trajectories are found; their displacements until the end are averaged
    with weights 1 / (distance + 0.02)^2. Between observed frames trajectories are straight.
    """

    reads = FramesCode
    input_kind = "pointcloud"
    needs_corresponding_points = True

    def __init__(
        self, code_size: int, latent_size: int, *, num_neighbours: PositiveInt = 4
    ) -> None:
        super().__init__()
        self.num_neighbours = num_neighbours

    def move(
        self,
        points: Float[Tensor, "B N 3"],
        start: Float[Tensor, "B"],
        end: Float[Tensor, "B"],
        code: FramesCode,
    ) -> Float[Tensor, "B N 3"]:
        before = interpolate_frames(code.frames, code.times, start)
        after = interpolate_frames(code.frames, code.times, end)
        rows = nearest_rows(points, before, self.num_neighbours)
        offsets = points.unsqueeze(2) - gather_rows(before, rows)
        weights = (offsets.norm(dim=-1, keepdim=True) + SOFTENING) ** -2
        displacements = gather_rows(after - before, rows)
        return points + (weights * displacements).sum(2) / weights.sum(2)
