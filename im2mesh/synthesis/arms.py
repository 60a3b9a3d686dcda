"""Arms: joint angles, or a place to reach for -> rotations of the joints from collar bone to hand.

The two joints of the upper arm share its twist; all of it in one joint would wring the skin.
"""

import numpy as np

from im2mesh.synthesis.body import Body
from im2mesh.synthesis.hands import FIST, pose_hand
from im2mesh.synthesis.legs import Rotations, solve_two_bones
from im2mesh.synthesis.proportions import SIDES, Proportions, length_of
from im2mesh.synthesis.rotations import (
    across,
    hinged_axes,
    limb_axes,
    part_of,
    rotate_about,
    rotate_x,
    rotate_y,
    rotate_z,
    shortest_arc,
    unit,
)
from im2mesh.synthesis.tracks import ArmAngles, ArmReach, Hand

_DOWN = np.array([0.0, -1.0, 0.0])
_FRONT = np.array([0.0, 0.0, 1.0])
_SHOULDER_SHARE = 0.3  # share of the arm's swing that the shoulder blade does


def pose_arm(
    body: Body,
    size: Proportions,
    arm: ArmAngles | ArmReach,
    side: str,
    chest: np.ndarray,
    hand: Hand | None = None,
) -> Rotations:
    """World rotations of one arm.

    Args:
        chest: World rotation of the chest, [T, 3, 3].
        hand: The pose of wrist and fingers; None bends all fingers alike, by the grip of the arm.
    """
    sign = SIDES[side]
    collar = rotate_z(np.broadcast_to(sign * np.asarray(arm.shrug, float), len(chest)))
    if isinstance(arm, ArmAngles):
        bones = _bones_from_angles(arm, size, sign, len(chest))
    else:
        bones = _bones_from_reach(body, arm, size, side, len(chest))
    upper, lower = bones
    turned = _rotations_of_bones(body, side, upper, lower)
    turned["clavicle"] = collar
    if hand is None:
        turned |= _bend_fingers(body, side, turned["wrist"], np.asarray(arm.grip, float))
    else:
        turned |= pose_hand(body, hand, side, turned["wrist"])
    return {f"{name}.{side}": chest @ rotation for name, rotation in turned.items()}


def _bones_from_angles(
    arm: ArmAngles, size: Proportions, sign: float, num_frames: int
) -> tuple[np.ndarray, np.ndarray]:
    """Axes (along, front, hinge) of upper arm and forearm in the frame of the chest."""
    frames = np.zeros(num_frames)
    hanging = limb_axes(_DOWN, _FRONT)
    shoulder = (
        rotate_x(frames - arm.flexion)
        @ rotate_z(sign * (frames + size.hang + arm.abduction))
        @ rotate_y(-sign * (frames + arm.twist))
    )
    return shoulder @ hanging, shoulder @ rotate_x(frames - arm.elbow) @ hanging


def _bones_from_reach(
    body: Body, arm: ArmReach, size: Proportions, side: str, num_frames: int
) -> tuple[np.ndarray, np.ndarray]:
    """Axes as in `_bones_from_angles`; the elbow swivels about the line from shoulder to wrist."""
    sign, frames = SIDES[side], np.zeros((num_frames, 1))
    shoulder, elbow, wrist = (
        body.joint(f"{name}.{side}") for name in ("upperarm01", "lowerarm01", "wrist")
    )
    target = np.stack(np.broadcast_arrays(sign * arm.out, arm.up, arm.front), axis=-1) * size.arm
    target = frames + target + size.chest * _FRONT
    swivel = np.deg2rad(frames[:, 0] + arm.swivel)[:, None]
    along = unit(target)
    low = across(np.broadcast_to(_DOWN, along.shape), along)
    outward = across(across(np.broadcast_to([sign, 0.0, 0.0], along.shape), along), low)
    pole = np.cos(swivel) * low + np.sin(swivel) * outward
    middle, end = solve_two_bones(
        frames * target, target, length_of(elbow - shoulder), length_of(wrist - elbow), pole
    )
    hinge = np.cross(pole, along)  # the elbow points to the pole, the forearm bends away from it
    return hinged_axes(middle, hinge), hinged_axes(end - middle, hinge)


def _rotations_of_bones(body: Body, side: str, upper: np.ndarray, lower: np.ndarray) -> Rotations:
    """Rotations from the rest pose to these axes of the bones, with the twist shared out."""
    shoulder, elbow, wrist = (
        body.joint(f"{name}.{side}") for name in ("upperarm01", "lowerarm01", "wrist")
    )
    bend = unit(wrist - elbow)
    whole = upper @ limb_axes(elbow - shoulder, bend).T
    swing = shortest_arc(elbow - shoulder, upper[..., 0])
    halfway = swing @ part_of(swing.swapaxes(-1, -2) @ whole, 0.5)
    forearm = lower @ limb_axes(wrist - elbow, bend_front(elbow - shoulder, bend)).T
    return {
        "shoulder01": part_of(swing, _SHOULDER_SHARE),
        "upperarm01": halfway,
        "upperarm02": whole,
        "lowerarm01": forearm,
        "wrist": forearm,
    }


def bend_front(upper: np.ndarray, lower: np.ndarray) -> np.ndarray:
    """Direction in which the forearm moves when the elbow bends, in the rest pose."""
    hinge = np.cross(unit(upper), unit(lower))
    return np.cross(hinge, unit(lower))


def _bend_fingers(body: Body, side: str, hand: np.ndarray, grip: np.ndarray) -> Rotations:
    """Bend the fingers about the axis across the palm."""
    across_palm = body.joint(f"finger5-1.{side}") - body.joint(f"finger2-1.{side}")
    grip = np.broadcast_to(grip, len(hand))
    turned: Rotations = {}
    for finger in range(2, 6):
        bent = np.zeros(len(hand))
        for joint, most in enumerate(FIST, start=1):
            bent = bent + most * grip
            turned[f"finger{finger}-{joint}"] = hand @ rotate_about(SIDES[side] * across_palm, bent)
    return turned
