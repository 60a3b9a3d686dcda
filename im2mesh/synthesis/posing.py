"""From the tracks of a motion to the pose of one body."""

import numpy as np
from jaxtyping import Float

from im2mesh.synthesis.arms import pose_arm
from im2mesh.synthesis.body import Body, Pose
from im2mesh.synthesis.legs import Rotations, pose_leg, rise_of_heels
from im2mesh.synthesis.proportions import Proportions
from im2mesh.synthesis.rotations import rotate_x, rotate_y, rotate_z
from im2mesh.synthesis.tracks import Pelvis, Posture, Spine, Track

_SPINE = ("spine05", "spine04", "spine03", "spine02", "spine01")


def pose_body(body: Body, size: Proportions, posture: Posture, num_frames: int) -> Pose:
    """Solve one body's joints for the tracks of a motion."""
    legs = {"L": posture.left_leg, "R": posture.right_leg}
    flight = _over_time(posture.flight, num_frames)
    hips = _turn_pelvis(posture.pelvis, num_frames)
    root = size.leg * _place_pelvis(posture.pelvis, num_frames)
    root[:, 1] += rise_of_heels(body, legs, flight)
    rotations: Rotations = {"root": hips} | _bend_spine(posture, hips)
    arms = {"L": posture.left_arm, "R": posture.right_arm}
    hands = {"L": posture.left_hand, "R": posture.right_hand}
    for side, arm in arms.items():
        rotations |= pose_arm(body, size, arm, side, rotations["spine01"], hands[side])
    for side, leg in legs.items():
        socket = body.joint(f"upperleg01.{side}") - body.joint("root")
        hip = body.joint("root") + root + hips @ socket
        rotations |= pose_leg(body, size, leg, side, hip, hips, flight)
    return body.pose(rotations, root)


def _over_time(track: Track, num_frames: int) -> Float[np.ndarray, "T"]:
    return np.zeros(num_frames) + track


def _place_pelvis(pelvis: Pelvis, num_frames: int) -> Float[np.ndarray, "T 3"]:
    tracks = (pelvis.left, pelvis.up, pelvis.forward)
    return np.stack([_over_time(track, num_frames) for track in tracks], axis=1)


def _turn_pelvis(pelvis: Pelvis, num_frames: int) -> Float[np.ndarray, "T 3 3"]:
    still = np.zeros(num_frames)
    return (
        rotate_y(still + pelvis.turn)
        @ rotate_z(still + pelvis.roll)
        @ rotate_x(still + pelvis.tilt)
    )


def _bend_spine(posture: Posture, hips: Float[np.ndarray, "T 3 3"]) -> Rotations:
    """Spread the bend of the trunk over its joints; neck and head take half of it back."""
    spine, share = posture.spine, 1.0 / len(_SPINE)
    bend = _bend(spine, share, len(hips))
    rotations: Rotations = {}
    turned = hips
    for name in _SPINE:
        rotations[name] = turned = turned @ bend
    back = _bend(spine, -0.25, len(hips)) @ rotate_x(_over_time(posture.nod, len(hips)) / 2)
    rotations["neck01"] = turned @ back
    rotations["head"] = turned @ back @ back
    return rotations


def _bend(spine: Spine, share: float, num_frames: int) -> Float[np.ndarray, "T 3 3"]:
    still = np.zeros(num_frames)
    return (
        rotate_y(still + share * spine.turn)
        @ rotate_z(still + share * spine.side)
        @ rotate_x(still + share * spine.lean)
    )
