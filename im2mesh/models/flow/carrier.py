"""The interface of what carries points through time, with a velocity field or without."""

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from im2mesh.models.code import Code
from im2mesh.models.flow.times import check_times, stops_on_the_way_back

VELOCITY_STEP = 1 / 64
"""Of the differences that give a velocity: a quarter of the time between frames of the paper."""


class Carrier(nn.Module):
    """Carries points forward and backward in time.

    Positions are in the frame of the first mesh, roughly the cube [-0.5, 0.5]^3, and times in
    [0, 1]. The host plans its steps by the times: give them on the CPU, also where the points lie
    on a GPU, so that it need not wait for them. With gradients on a GPU, only the loss shows
    whether a position became NaN or infinite. The two implementations are `Flow`, which integrates
    a velocity field, and `OneShotDeformation`, which maps points from one time to another directly.

    Attributes:
        reads: Kind of motion code that the carrier needs.
        nfe: Number of network evaluations since it was last set to 0.
    """

    reads: type[Code] = Code
    input_kind: ClassVar[str | None] = None
    """Kind of frames that the carrier itself reads, as data.input names it; None for none."""
    needs_corresponding_points: ClassVar[bool] = False
    """Whether row n of all observed clouds must be the same particle."""
    sees_times: ClassVar[bool] = False
    """Whether the carrier needs no encoder to follow any number of frames at any times."""

    def __init__(self) -> None:
        super().__init__()
        self.nfe = 0

    def integrate_forward(
        self, points_0: Float[Tensor, "B N 3"], times: Float[Tensor, "T"], code: Code
    ) -> Float[Tensor, "B T N 3"]:
        """Carry points from t = 0 to each requested time.

        Args:
            points_0: Positions at t = 0.
            times: Strictly increasing within [0, 1], starting at 0.
            code: One motion code per sequence; receives gradients.

        Returns:
            Positions at each time; the first step is points_0 itself. Point n stays at index n,
            so a mesh keeps its faces.

        Raises:
            ValueError: If times do not start at 0, do not increase strictly, or exceed 1.
            SolverError: If a solver cannot go on, or a position becomes NaN or infinite.
        """
        check_times(times)
        return self._carry_forward(points_0, times, code)

    def integrate_backward(
        self,
        points_t: Float[Tensor, "B N 3"],
        t: Float[Tensor, "B"],
        code: Code,
        fractions: Float[Tensor, "S"] | None = None,
    ) -> Float[Tensor, "B S N 3"]:
        """Carry points back towards t = 0, each sequence from a time of its own.

        Args:
            points_t: Positions at time t.
            t: Start time of each sequence, in [0, 1].
            code: One motion code per sequence; receives gradients.
            fractions: Stops on the way, as fractions of t, strictly decreasing from 1. None
                stands for (1, 0), the start of the way and t = 0.

        Returns:
            Positions at times fractions * t; the first step is points_t itself.

        Raises:
            ValueError: If t leaves [0, 1], or fractions do not decrease strictly from 1, or leave
                [0, 1]. A t that lies on a GPU is not looked at.
            SolverError: If a solver cannot go on, or a position becomes NaN or infinite.
        """
        return self._carry_back(points_t, t, stops_on_the_way_back(t, fractions), code)

    def velocity(
        self, points_t: Float[Tensor, "B N 3"], t: float, code: Code
    ) -> Float[Tensor, "B N 3"]:
        """Velocity of the particles that are at some points of space at time t, without gradients.

        The points are carried back to t = 0, and the way there and on is measured over a small step
        to both sides of t. `Flow` has its field to ask.

        Args:
            points_t: Positions at time t.
            t: Time in [0, 1].
            code: One motion code per sequence.

        Returns:
            Velocities, in units of the first frame per window length.
        """
        with torch.no_grad():
            start = torch.full((len(points_t),), t, dtype=points_t.dtype)
            points_0 = self.integrate_backward(points_t, start, code)[:, -1]
            before, after = max(t - VELOCITY_STEP, 0.0), min(t + VELOCITY_STEP, 1.0)
            times = torch.tensor([before, after] if before == 0 else [0.0, before, after])
            path = self.integrate_forward(points_0, times, code)
            return (path[:, -1] - path[:, -2]) / (after - before)

    def _carry_forward(
        self, points_0: Float[Tensor, "B N 3"], times: Float[Tensor, "T"], code: Code
    ) -> Float[Tensor, "B T N 3"]:
        """Do the work of `integrate_forward`; the times have been checked."""
        raise NotImplementedError

    def _carry_back(
        self,
        points_t: Float[Tensor, "B N 3"],
        t: Float[Tensor, "B"],
        fractions: Float[Tensor, "S"],
        code: Code,
    ) -> Float[Tensor, "B S N 3"]:
        """Do the work of `integrate_backward`; t and the stops have been checked."""
        raise NotImplementedError
