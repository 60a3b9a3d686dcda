"""What deformations share: one map from any time to any other instead of a velocity field."""

from collections.abc import Iterable
from typing import ClassVar, Generic, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from im2mesh.models.code import Code
from im2mesh.models.schedule import check_times, stops_on_the_way_back

Departure = TypeVar("Departure")
"""What a deformation knows of points where they start, whatever the time they go to."""


class OneShotDeformation(nn.Module, Generic[Departure]):
    """Carries points from one time to another in one go, behind the two verbs of `Flow`.

    Nothing is integrated: each time is answered on its own, so a path need not be smooth, and two
    moves need not compose. A subclass says how in `depart`, once per start, and `arrive`, once per
    time that is asked for.

    Attributes:
        nfe: Calls of `arrive` since this was last set to 0.
    """

    reads: ClassVar[type[Code]] = Code
    """The kind of motion code that a move needs."""
    input_kind: ClassVar[str | None] = None
    """The kind of frames that it looks at itself, as data.input names it; None for none."""
    needs_corresponding_points: ClassVar[bool] = False
    """Whether row n of all observed clouds must be the same particle."""
    sees_times: ClassVar[bool] = True

    def __init__(self) -> None:
        super().__init__()
        self.nfe = 0

    def depart(
        self, points: Float[Tensor, "B N 3"], start: Float[Tensor, "B"], code: Code
    ) -> Departure:
        """All that is known of the particles at `points` at time `start`."""
        raise NotImplementedError

    def arrive(
        self, departure: Departure, end: Float[Tensor, "B"], code: Code
    ) -> Float[Tensor, "B N 3"]:
        """Where these particles are at time `end`."""
        raise NotImplementedError

    def move(
        self,
        points: Float[Tensor, "B N 3"],
        start: Float[Tensor, "B"],
        end: Float[Tensor, "B"],
        code: Code,
    ) -> Float[Tensor, "B N 3"]:
        """Where the particles at `points` at time `start` are at time `end`."""
        return self.arrive(self.depart(points, start, code), end, code)

    def integrate_forward(
        self, points_0: Float[Tensor, "B N 3"], times: Float[Tensor, "T"], code: Code
    ) -> Float[Tensor, "B T N 3"]:
        """Points of t = 0 at each time; the first step is points_0 itself.

        Raises:
            ValueError: If times do not start at 0, do not increase strictly, or exceed 1.
        """
        check_times(times)
        start = points_0.new_zeros(len(points_0))
        return self._path(points_0, start, (t.expand_as(start) for t in times[1:]), code)

    def integrate_backward(
        self,
        points_t: Float[Tensor, "B N 3"],
        t: Float[Tensor, "B"],
        code: Code,
        fractions: Float[Tensor, "S"] | None = None,
    ) -> Float[Tensor, "B S N 3"]:
        """Points of a time of their own per sequence at the fractions (1, ..., 0) of it.

        Raises:
            ValueError: If t leaves [0, 1], or fractions do not decrease strictly from 1, or leave
                [0, 1].
        """
        fractions = stops_on_the_way_back(t, fractions)
        return self._path(points_t, t, (t * fraction for fraction in fractions[1:]), code)

    def _path(
        self, points: Tensor, start: Tensor, ends: Iterable[Tensor], code: Code
    ) -> Float[Tensor, "B T N 3"]:
        departure, path = self.depart(points, start, code), [points]
        for end in ends:
            self.nfe += 1
            path.append(self.arrive(departure, end, code).to(points.dtype))
        return torch.stack(path, dim=1)
