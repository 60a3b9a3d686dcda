"""The velocity field of moving anchors."""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from im2mesh.config.values import PositiveInt
from im2mesh.models.flow.velocity_fields import VelocityField
from im2mesh.models.local.codes import MovingCode
from im2mesh.models.local.neighbourhood import find_neighbourhood
from im2mesh.models.local.paths import positions_at, velocities_at


class VelocityFieldAnchored(VelocityField):
    """A velocity field that blends the motions of a point's nearest anchors.

    Every anchor moves, and moves the space around it. All that is learned belongs to the anchors
    and comes with the code. So the field has no weights of its own, and an evaluation is a search
    for neighbours and a weighted mean, however wide the networks are.
    """

    reads = MovingCode

    def __init__(
        self, code_size: int, latent_size: int, *, num_neighbours: PositiveInt = 8
    ) -> None:
        super().__init__()
        self.num_neighbours = num_neighbours
        self.min_points = num_neighbours + 1

    def condition(self, code: MovingCode) -> MovingCode:
        """Drop the features: what they say about the motion is in the twists and weights."""
        return replace(code, features=code.features[..., :0].detach())

    def forward(
        self, t: Float[Tensor, "B"], points: Float[Tensor, "B N 3"], code: MovingCode
    ) -> Float[Tensor, "B N 3"]:
        near = find_neighbourhood(points, code.anchors_at(t), self.num_neighbours)
        added, spins = positions_at(code.twists, t).split(3, -1)
        known = torch.cat([velocities_at(code.paths, t) + added, spins], -1)
        velocities, spins = near.take(known).split(3, -1)
        motions = velocities + torch.linalg.cross(spins, near.offsets)
        return (near.blend_weights(code.weights) * motions).sum(2)
