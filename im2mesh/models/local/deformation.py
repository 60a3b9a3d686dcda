"""Anchors carry the points around them, as in embedded deformation (Sumner et al., 2007)."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from im2mesh.config.values import PositiveInt
from im2mesh.models.deformations.one_shot import OneShotDeformation
from im2mesh.models.local.codes import MovingCode
from im2mesh.models.local.neighbourhood import Neighbourhood, find_neighbourhood
from im2mesh.models.local.paths import integrals_at
from im2mesh.models.local.rotations import rotation_matrices


@dataclass(frozen=True)
class AmongAnchors:
    """Points at the start of a move, described by the anchors that carry them.

    Attributes:
        turned: Angles by which all anchors have turned since t = 0, in radians about each axis.
        near: Nearest anchors of every point at the start of the move.
        weights: Shares of these anchors in the motion of a point; they sum to 1.
    """

    turned: Float[Tensor, "B M 3"]
    near: Neighbourhood
    weights: Float[Tensor, "B N k 1"]


class Anchored(OneShotDeformation[AmongAnchors]):
    """A deformation that moves a point by a blend of its nearest anchors' rigid motions.

    The velocity field `anchored` looks for the nearest anchors at every time; here a point keeps
    those that are nearest at the start. By the end of the move each anchor has moved, and has
    turned the space around it by the integral of its angular velocity (exact where the axis does
    not change). Integrals of polynomials are known, so a move needs one search for neighbours,
    where a solver needs one per evaluation. Both read the same code, with all that is learned.

    The move back is not exactly the inverse: at the end, other anchors may be nearest.
    """

    reads = MovingCode

    def __init__(
        self, code_size: int, latent_size: int, *, num_neighbours: PositiveInt = 8
    ) -> None:
        super().__init__()
        self.num_neighbours = num_neighbours
        self.min_points = num_neighbours + 1

    def depart(
        self, points: Float[Tensor, "B N 3"], start: Float[Tensor, "B"], code: MovingCode
    ) -> AmongAnchors:
        near = find_neighbourhood(points, code.anchors_at(start), self.num_neighbours)
        turned = integrals_at(code.twists[..., 3:], start)
        return AmongAnchors(turned, near, near.blend_weights(code.weights))

    def arrive(
        self, departure: AmongAnchors, end: Float[Tensor, "B"], code: MovingCode
    ) -> Float[Tensor, "B N 3"]:
        near = departure.near
        turn = integrals_at(code.twists[..., 3:], end) - departure.turned
        known = torch.cat([code.anchors_at(end), rotation_matrices(turn).flatten(-2)], -1)
        arrived, rotations = near.take(known).split((3, 9), -1)
        rotated = (rotations.unflatten(-1, (3, 3)) * near.offsets.unsqueeze(-2)).sum(-1)
        return (departure.weights * (arrived + rotated)).sum(2)
