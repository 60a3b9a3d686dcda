"""Anchors take their surroundings along, as in embedded deformation (Sumner et al., 2007)."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from im2mesh.config import PositiveInt
from im2mesh.models.code import MovingCode
from im2mesh.models.deformations.one_shot import OneShotDeformation
from im2mesh.models.neighbourhood import Neighbourhood, find_neighbourhood
from im2mesh.models.paths import integrals_at


@dataclass(frozen=True)
class AmongAnchors:
    """Points that leave, and the anchors they leave with.

    Attributes:
        turned: How much all anchors have turned since t = 0, in radians about each axis.
        near: The nearest anchors then.
        weights: How much each counts, with a sum of 1 for every point.
    """

    turned: Float[Tensor, "B M 3"]
    near: Neighbourhood
    weights: Float[Tensor, "B N k 1"]


class Anchored(OneShotDeformation[AmongAnchors]):
    """A point has the blend of the rigid motions that its nearest anchors make until the end.

    What the velocity field `anchored` says at every time, this says once: a point keeps the anchors
    that are nearest at the start. Each has moved, and has turned its surroundings by the integral
    of its angular velocity (exact where the axis does not change). Integrals of polynomials are
    known, so there is one search for neighbours where a solver needs one per evaluation, and the
    code, with all that is learned, is the same for both.

    The way back is another move, not exactly the inverse: at the end, other anchors may be nearest.
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


def rotation_matrices(turn: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    """Rotations about the direction of a vector by its length in radians (Rodrigues)."""
    angle = (turn.square().sum(-1) + 1e-12).sqrt()[..., None, None]  # the root of 0 has no slope
    x, y, z = turn.unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).unflatten(-1, (3, 3))
    # K^2 = r r^T - |r|^2 I, element by element: matrix products would be rounded under bf16
    identity = torch.eye(3, dtype=turn.dtype, device=turn.device)
    square = turn.unsqueeze(-1) * turn.unsqueeze(-2)
    square = square - turn.square().sum(-1)[..., None, None] * identity
    sine = torch.sinc(angle / torch.pi)  # sin(a) / a
    cosine = torch.sinc(angle / (2 * torch.pi)).square() / 2  # (1 - cos(a)) / a^2
    return identity + sine * cross + cosine * square
