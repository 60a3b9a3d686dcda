"""A query among its nearest anchors: offsets, distances and weights that change without jumps."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from im2mesh.models.neighbours import gather_rows, nearest_rows

CORE = 0.02
"""Distance below which neighbours weigh alike, in units of the first frame."""
LEAST_WEIGHT = 1e-30
"""Of every neighbour, so that sums of weights are never 0."""

TIME_SCALE = 0.2
"""How far apart in space a whole window is in time, where neighbours are looked for in both."""


@dataclass(frozen=True)
class Neighbourhood:
    """The k nearest anchors of every query, in space (D = 3) or in space and time (D = 4).

    Attributes:
        rows: Of the anchors, the nearest first.
        offsets: query - anchor.
        distances: Lengths of the offsets.
        radius: Distance of the anchor after these k, where their influence ends.
    """

    rows: Int[Tensor, "B Q k"]
    offsets: Float[Tensor, "B Q k D"]
    distances: Float[Tensor, "B Q k"]
    radius: Float[Tensor, "B Q 1"]

    def take(self, values: Float[Tensor, "B N C"]) -> Float[Tensor, "B Q k C"]:
        """What the neighbours have of something that every anchor has."""
        return gather_rows(values, self.rows)

    def falloff(self) -> Float[Tensor, "B Q k"]:
        """(1 - d^2 / radius^2)^2: 1 at the query, 0 where another anchor takes over.

        The k-th and the next nearest anchor swap places at distance `radius`, where neither has any
        weight: whatever is weighted like this has no jump when neighbours change.
        """
        # the tiny number: all points in one place have radius 0
        return (1 - (self.distances / (self.radius + 1e-9)) ** 2).clamp(min=0) ** 2 + LEAST_WEIGHT

    def inverse_distance_weights(self) -> Float[Tensor, "B Q k"]:
        """The falloff over (d^2 + 0.02^2): the nearer, the more; not normalised."""
        return self.falloff() / (self.distances**2 + CORE**2)

    def blend_weights(self, own: Float[Tensor, "B N 1"]) -> Float[Tensor, "B Q k 1"]:
        """Inverse-distance weights times those that anchors have of their own, of sum 1."""
        weights = self.take(own) * self.inverse_distance_weights().unsqueeze(-1)
        return weights / weights.sum(2, keepdim=True)


def find_neighbourhood(
    queries: Float[Tensor, "B Q D"], anchors: Float[Tensor, "B N D"], count: int
) -> Neighbourhood:
    """The `count` nearest anchors of every query; gradients reach queries and anchors.

    Raises:
        ValueError: If there are not more anchors than that: one more says where influence ends.
    """
    rows = nearest_rows(queries, anchors, count + 1)
    offsets = queries.unsqueeze(2) - gather_rows(anchors, rows)
    # the root of 0 has no derivative, and a query may sit on an anchor
    distances = (offsets.square().sum(-1) + 1e-12).sqrt()
    return Neighbourhood(
        rows=rows[..., :count],
        offsets=offsets[..., :count, :],
        distances=distances[..., :count],
        radius=distances[..., count:],
    )


def in_space_time(
    points: Float[Tensor, "*batch N 3"], t: Float[Tensor, "*batch"]
) -> Float[Tensor, "*batch N 4"]:
    """Points with their time as a fourth coordinate, in units of space."""
    time = (TIME_SCALE * t).to(points)[..., None, None].expand(*points.shape[:-1], 1)
    return torch.cat([points, time], -1)
