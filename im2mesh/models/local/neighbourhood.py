"""The nearest anchors of a query point: offsets, distances, and weights without jumps."""

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

from im2mesh.models.layers.neighbours import gather_rows, nearest_rows

CORE = 0.02
"""Distance below which neighbours weigh about alike, in units of the first frame."""
LEAST_WEIGHT = 1e-30
"""Weight that every neighbour keeps, so that sums of weights are never 0."""


@dataclass(frozen=True)
class Neighbourhood:
    """The k nearest anchors of every query point.

    Attributes:
        rows: Rows of these anchors, the nearest first.
        offsets: Vectors from anchor to query.
        distances: Lengths of the offsets.
        radius: Distance to the next anchor after the k nearest, where their influence ends.
    """

    rows: Int[Tensor, "B Q k"]
    offsets: Float[Tensor, "B Q k 3"]
    distances: Float[Tensor, "B Q k"]
    radius: Float[Tensor, "B Q 1"]

    def take(self, values: Float[Tensor, "B N C"]) -> Float[Tensor, "B Q k C"]:
        """Pick the values of the neighbours from values given for every anchor."""
        return gather_rows(values, self.rows)

    def falloff(self) -> Float[Tensor, "B Q k"]:
        """(1 - d^2 / radius^2)^2: 1 for an anchor at the query, 0 where another takes over.

        The k-th nearest anchor and the next one swap places at distance `radius`, where neither has
        any weight. So a sum that is weighted like this does not jump when the neighbours change.
        """
        # with all points in one place the radius is 0
        return (1 - (self.distances / (self.radius + 1e-9)) ** 2).clamp(min=0) ** 2 + LEAST_WEIGHT

    def inverse_distance_weights(self) -> Float[Tensor, "B Q k"]:
        """The falloff divided by (d^2 + 0.02^2), not normalised: nearer anchors weigh more."""
        return self.falloff() / (self.distances**2 + CORE**2)

    def blend_weights(self, own: Float[Tensor, "B N 1"]) -> Float[Tensor, "B Q k 1"]:
        """Inverse-distance weights times the anchors' own weights, normalised to a sum of 1."""
        weights = self.take(own) * self.inverse_distance_weights().unsqueeze(-1)
        return weights / weights.sum(2, keepdim=True)


def find_neighbourhood(
    queries: Float[Tensor, "B Q 3"], anchors: Float[Tensor, "B N 3"], count: int
) -> Neighbourhood:
    """The `count` nearest anchors of every query; gradients reach queries and anchors.

    Raises:
        ValueError: If there are not more than `count` anchors; the next one sets the radius.
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
