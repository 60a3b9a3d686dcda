"""The base of deformations: a map from any time to any other instead of a velocity field."""

from collections.abc import Iterable
from typing import Generic, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from im2mesh.models.code import Code
from im2mesh.models.flow.carrier import Carrier

Departure = TypeVar("Departure")
"""What a deformation computes of points at their start time, before it knows the end time."""


class OneShotDeformation(Carrier, Generic[Departure]):
    """Carries points from one time to another in one go.

    Nothing is integrated: each time is answered on its own, so a path need not be smooth, and two
    moves need not compose. A subclass implements `depart`, which is called once per start, and
    `arrive`, which is called once per requested time and counts as an evaluation (`nfe`).
    """

    sees_times = True

    def depart(
        self, points: Float[Tensor, "B N 3"], start: Float[Tensor, "B"], code: Code
    ) -> Departure:
        """Prepare the particles that are at `points` at time `start` for a move to any time."""
        raise NotImplementedError

    def arrive(
        self, departure: Departure, end: Float[Tensor, "B"], code: Code
    ) -> Float[Tensor, "B N 3"]:
        """Positions of these particles at time `end`."""
        raise NotImplementedError

    def move(
        self,
        points: Float[Tensor, "B N 3"],
        start: Float[Tensor, "B"],
        end: Float[Tensor, "B"],
        code: Code,
    ) -> Float[Tensor, "B N 3"]:
        """Positions at time `end` of the particles that are at `points` at time `start`."""
        return self.arrive(self.depart(points, start, code), end, code)

    def _carry_forward(
        self, points_0: Float[Tensor, "B N 3"], times: Float[Tensor, "T"], code: Code
    ) -> Float[Tensor, "B T N 3"]:
        start = points_0.new_zeros(len(points_0))
        ends = times.to(points_0, non_blocking=True)[1:]
        return self._path(points_0, start, (t.expand_as(start) for t in ends), code)

    def _carry_back(
        self,
        points_t: Float[Tensor, "B N 3"],
        t: Float[Tensor, "B"],
        fractions: Float[Tensor, "S"],
        code: Code,
    ) -> Float[Tensor, "B S N 3"]:
        t, fractions = (x.to(points_t, non_blocking=True) for x in (t, fractions))
        return self._path(points_t, t, (t * fraction for fraction in fractions[1:]), code)

    def _path(
        self, points: Tensor, start: Tensor, ends: Iterable[Tensor], code: Code
    ) -> Float[Tensor, "B T N 3"]:
        departure, path = self.depart(points, start, code), [points]
        for end in ends:
            self.nfe += 1
            path.append(self.arrive(departure, end, code).to(points.dtype))
        return torch.stack(path, dim=1)
