"""Legs: two-bone inverse kinematics from a foot's place to thigh, shin, foot and toe rotations."""

import numpy as np
from jaxtyping import Float

from im2mesh.synthesis.body import Body
from im2mesh.synthesis.proportions import SIDES, Proportions, length_of
from im2mesh.synthesis.rotations import across, hinged_axes, limb_axes, rotate_x, rotate_y, unit
from im2mesh.synthesis.tracks import Leg

Rotations = dict[str, Float[np.ndarray, "T 3 3"]]
_FRONT = np.array([0.0, 0.0, 1.0])
_STRAIGHTEST = 0.998  # a leg never stretches beyond this share of its length: knees would snap
_SOFTNESS = 0.004  # metres over which that limit sets in
_LIFTED = 0.07  # leg lengths: a foot so high over the ground bears no weight


def rise_of_heels(
    body: Body, legs: dict[str, Leg], flight: Float[np.ndarray, "T"]
) -> Float[np.ndarray, "T"]:
    """Metres by which standing on tiptoe lifts the pelvis: the mean over feet, weighted by load."""
    total, weight = np.zeros_like(flight), np.full_like(flight, 1e-6)
    for side, leg in legs.items():
        ankle, _ = _foot_over_ball(body, leg, side, flight)
        load = _load(leg, np.zeros_like(flight)) + 1e-6
        total, weight = total + load * ankle[:, 1], weight + load
    return total / weight


def pose_leg(
    body: Body,
    size: Proportions,
    leg: Leg,
    side: str,
    hip: Float[np.ndarray, "T 3"],
    facing: Float[np.ndarray, "T 3 3"],
    flight: Float[np.ndarray, "T"],
) -> Rotations:
    """World rotations of one leg whose foot stands, or is lifted, where `leg` says.

    Args:
        hip: Position of the hip joint in metres, over ground level of the rest pose.
        facing: Rotation of the pelvis; the knee points half way between it and the toes.
        flight: Height of the body over ground, in leg lengths: in flight no foot bears weight.
    """
    joints = [body.joint(f"{name}.{side}") for name in ("upperleg01", "lowerleg01", "foot")]
    thigh, shin = joints[1] - joints[0], joints[2] - joints[1]
    raised, foot = _foot_over_ball(body, leg, side, flight)
    offset = np.stack(np.broadcast_arrays(SIDES[side] * leg.spread, leg.lift, leg.reach), axis=-1)
    target = joints[2] + raised + size.leg * offset
    toward = rotate_y(leg.turn) @ _FRONT
    pole = unit(toward + np.array([0.12 * SIDES[side], 0, 0]) + facing @ _FRONT)
    knee, ankle = solve_two_bones(hip, target, length_of(thigh), length_of(shin), pole)
    hinge = unit(np.cross(target - hip, pole))
    thigh_turn = hinged_axes(knee - hip, hinge) @ limb_axes(thigh, _FRONT).T
    shin_turn = hinged_axes(ankle - knee, hinge) @ limb_axes(shin, _FRONT).T
    lightness = 1.0 - _load(leg, flight)
    toes = foot @ rotate_x(-leg.tiptoe * (1.0 - 0.8 * lightness))
    turned = {"upperleg01": thigh_turn, "lowerleg01": shin_turn, "foot": foot}
    turned |= {f"toe{digit}-1": toes for digit in range(1, 6)}
    return {f"{name}.{side}": rotation for name, rotation in turned.items()}


def solve_two_bones(
    start: Float[np.ndarray, "T 3"],
    target: Float[np.ndarray, "T 3"],
    upper: float,
    lower: float,
    pole: Float[np.ndarray, "T 3"],
) -> tuple[Float[np.ndarray, "T 3"], Float[np.ndarray, "T 3"]]:
    """Middle and end joint of a limb that reaches for `target` and bends towards `pole`.

    The limb points straight at a target out of reach, and stretches softly, so nothing snaps.
    """
    distance = np.linalg.norm(target - start, axis=-1, keepdims=True)
    longest = _STRAIGHTEST * (upper + lower)
    reach = longest - _SOFTNESS * np.logaddexp(0.0, (longest - distance) / _SOFTNESS)
    reach = np.maximum(reach, 1.05 * abs(upper - lower) + 1e-3)
    along = (target - start) / distance
    cosine = (upper**2 + reach**2 - lower**2) / (2 * upper * reach)
    sine = np.sqrt(np.maximum(1.0 - cosine**2, 0.0))
    middle = start + upper * (cosine * along + sine * across(pole, along))
    return middle, start + reach * along


def _foot_over_ball(
    body: Body, leg: Leg, side: str, flight: Float[np.ndarray, "T"]
) -> tuple[Float[np.ndarray, "T 3"], Float[np.ndarray, "T 3 3"]]:
    """Displacement of the ankle (metres) and rotation of the foot, when the heel is raised."""
    tiptoe = np.broadcast_to(np.asarray(leg.tiptoe, dtype=np.float64), flight.shape)
    turn = rotate_y(leg.turn) @ rotate_x(tiptoe)
    ball = np.mean([body.joint(f"toe{digit}-1.{side}") for digit in range(1, 6)], axis=0)
    ankle = body.joint(f"foot.{side}") - ball
    return turn @ ankle - ankle, turn


def _load(leg: Leg, flight: Float[np.ndarray, "T"]) -> Float[np.ndarray, "T"]:
    """1 for a foot on the ground, falling smoothly to 0 when it is lifted."""
    height = np.clip((leg.lift + flight) / _LIFTED, 0.0, 1.0)
    return 1.0 - height**2 * (3.0 - 2.0 * height)
