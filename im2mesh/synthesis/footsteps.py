"""Footsteps along a way: each foot stands still where it was put, then swings to its next place."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from im2mesh.synthesis.motions.curves import ease
from im2mesh.synthesis.rotations import rotate_y
from im2mesh.synthesis.tracks import Leg, Travel

_STANDING = np.array([0.25, 0.0, 0.18])  # ball of the left foot of a body at rest, in legs
_LEAVE = 0.22  # share of a stride in which the heel rises before the foot leaves the ground


@dataclass(frozen=True)
class Arc:
    """A way over the ground at constant speed: straight, along a circle, or turning on the spot.

    speed is in legs a second, turn in degrees a second to the left, and direction the angle between
    the way and the front of the body: 0 forwards, 90 to the left.
    """

    speed: float = 0.0
    turn: float = 0.0
    direction: float = 0.0

    def heading(self, times: Float[np.ndarray, "T"]) -> Float[np.ndarray, "T"]:
        """Degrees by which the body is turned to the left."""
        return self.turn * times

    def places(self, times: Float[np.ndarray, "T"]) -> Float[np.ndarray, "T 3"]:
        """Positions on the ground, in legs: the integral of a velocity that turns."""
        half = np.deg2rad(self.heading(times)) / 2
        length = self.speed * times * np.sinc(half / np.pi)
        angle = half + np.deg2rad(self.direction)
        return np.stack([length * np.sin(angle), np.zeros_like(half), length * np.cos(angle)], -1)

    def travel(self, times: Float[np.ndarray, "T"]) -> Travel:
        places = self.places(times)
        return Travel(left=places[:, 0], forward=places[:, 2], turn=self.heading(times))


@dataclass(frozen=True)
class Gait:
    """The manner of stepping; heights and widths are in legs, angles in degrees."""

    strides: float  # a second
    stance: float = 0.6  # share of a stride in which a foot stands
    lift: float = 0.08
    width: float = 0.1  # from the middle to the ball of the foot
    heel: float = 30.0


def leg_on_way(arc: Arc, gait: Gait, times: Float[np.ndarray, "T"], phase: float, sign: int) -> Leg:
    """Tracks of one leg that walks along a way, as seen from the body that travels it.

    Args:
        phase: Strides done at time 0; a foot is put down whenever strides become whole.
        sign: 1 for the left leg, which is at `phase`, -1 for the right one, half a stride later.
    """
    strides = gait.strides * times + phase + (0.0 if sign > 0 else 0.5)
    count = np.floor(strides)
    share = strides - count
    swing = np.clip((share - gait.stance) / (1 - gait.stance), 0.0, 1.0)
    foot = np.array([sign * gait.width, 0.0, _STANDING[2]])

    def foothold(number: Float[np.ndarray, "T"]) -> tuple[np.ndarray, np.ndarray]:
        """Where a foot stands, as seen from the body, and how far it is turned."""
        put = times + (number + gait.stance / 2 - strides) / gait.strides
        turn = arc.heading(put) - arc.heading(times)
        way = arc.places(put) - arc.places(times)
        seen = rotate_y(-arc.heading(times)) @ way[..., None]
        return seen[..., 0] + rotate_y(turn) @ foot, turn

    (here, turned), (there, to_turn) = foothold(count), foothold(count + 1)
    moved = ease(swing)
    place = here + moved[:, None] * (there - here) - _STANDING * [sign, 0.0, 1.0]
    leaving = ease((share - gait.stance) / _LEAVE + 1.0) * (1.0 - ease(1.4 * swing))
    return Leg(
        lift=gait.lift * np.sin(np.pi * swing) ** 2,
        reach=place[:, 2],
        spread=sign * place[:, 0],
        tiptoe=gait.heel * leaving,
        turn=turned + moved * (to_turn - turned),
    )
