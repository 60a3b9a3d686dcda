"""Hands: how far each finger is curled -> rotations of the wrist and of all finger joints."""

import numpy as np
from jaxtyping import Float

from im2mesh.synthesis.body import Body
from im2mesh.synthesis.proportions import SIDES
from im2mesh.synthesis.rotations import across, rotate_about, unit
from im2mesh.synthesis.tracks import Hand

FIST = (70.0, 75.0, 50.0)  # degrees by which the three joints of a finger bend in a fist
_THUMB_FIST = (25.0, 35.0, 55.0)
_THUMB_REACH = 0.35  # of the palm's width: how far before the palm a closed thumb ends


def pose_hand(
    body: Body, hand: Hand, side: str, forearm: Float[np.ndarray, "T 3 3"]
) -> dict[str, Float[np.ndarray, "T 3 3"]]:
    """Rotations of wrist and fingers, in the axes of `forearm`, by joint name without side."""
    still = np.zeros(len(forearm))
    palm = _Palm(body, side)
    wrist = forearm @ rotate_about(palm.hinge, still + hand.bend)
    turned = {"wrist": wrist}
    curls = (hand.index, hand.middle, hand.ring, hand.little)
    for finger, curl in enumerate(curls, start=2):
        fanned = wrist @ rotate_about(palm.normal, still + (3 - finger) * np.asarray(hand.spread))
        turned |= _curl(finger, fanned, palm.hinge, FIST, still + curl)
    return turned | _curl(1, wrist, palm.thumb_hinge, _THUMB_FIST, still + hand.thumb)


def _curl(
    finger: int,
    hand: Float[np.ndarray, "T 3 3"],
    hinge: Float[np.ndarray, "3"],
    most: tuple[float, ...],
    curl: Float[np.ndarray, "T"],
) -> dict[str, Float[np.ndarray, "T 3 3"]]:
    """Bend the joints of a finger one after the other about the same axis."""
    bends = np.cumsum(most)
    return {
        f"finger{finger}-{joint}": hand @ rotate_about(hinge, bend * curl)
        for joint, bend in enumerate(bends, start=1)
    }


class _Palm:
    """Axes of a hand at rest.

    Attributes:
        hinge: Axis about which fingers curl towards the palm.
        normal: Unit vector out of the palm; turning about it moves fingers towards the thumb.
        thumb_hinge: Axis about which the thumb closes over the palm.
    """

    def __init__(self, body: Body, side: str) -> None:
        def joint(name: str) -> np.ndarray:
            return body.joint(f"{name}.{side}")

        width = joint("finger5-1") - joint("finger2-1")
        fingers = unit(joint("finger3-1") - joint("wrist"))
        self.hinge = SIDES[side] * across(width, fingers)
        out = np.cross(self.hinge, fingers)
        self.normal = SIDES[side] * out
        end = joint("finger4-1") + _THUMB_REACH * np.linalg.norm(width) * out
        thumb = joint("finger1-3") - joint("finger1-2")
        self.thumb_hinge = unit(np.cross(thumb, end - joint("finger1-2")))
