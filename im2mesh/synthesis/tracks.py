"""What a motion says about a body: a few angles and offsets over time, independent of the body.

A track is a number, or one value per frame. Angles are in degrees. "In legs" means in leg lengths
(hip to ankle), and "in arms" in arm lengths (shoulder to wrist), so that tall and short bodies move
alike.
"""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

Track = int | float | Float[np.ndarray, "T"]


@dataclass(frozen=True)
class ArmAngles:
    """An arm, by its joint angles from hanging freely beside the trunk."""

    abduction: Track = 3.0  # sideways, beyond the angle at which the arm clears the hips
    flexion: Track = 5.0  # forward
    twist: Track = 10.0  # upper arm turned inward
    elbow: Track = 18.0
    shrug: Track = 0.0  # collar bone raised
    grip: Track = 0.25  # 0: hand of the rest pose, 1: fist


@dataclass(frozen=True)
class ArmReach:
    """An arm, by the place of its wrist from the shoulder: in arms, in the frame of the chest."""

    out: Track  # away from the middle of the body
    up: Track
    front: Track  # beyond the deepest point of the chest
    swivel: Track  # elbow about the line shoulder to wrist: 0 hangs down, 90 points sideways
    shrug: Track = 0.0
    grip: Track = 0.9


@dataclass(frozen=True)
class Hand:
    """A hand, by how far each finger is curled: 0 as in the rest pose, 1 as in a fist."""

    thumb: Track = 0.2
    index: Track = 0.25
    middle: Track = 0.25
    ring: Track = 0.25
    little: Track = 0.25
    spread: Track = 0.0  # degrees between neighbouring fingers, beyond the rest pose
    bend: Track = 0.0  # degrees by which the wrist bends the palm towards the forearm


@dataclass(frozen=True)
class Leg:
    """A leg, by the displacement of its foot from standing, in legs; tiptoe is in degrees."""

    lift: Track = 0.0
    reach: Track = 0.0  # forward
    spread: Track = -0.03  # outward
    tiptoe: Track = 0.0  # heel raised over the ball of the foot
    turn: Track = 0.0  # toes turned to the body's left


@dataclass(frozen=True)
class Spine:
    """The trunk from pelvis to head; its joints share the bends."""

    lean: Track = 2.0  # forward
    side: Track = 0.0  # to the right
    turn: Track = 0.0  # to the left


@dataclass(frozen=True)
class Pelvis:
    """Displacement from standing, in legs, and rotation."""

    left: Track = 0.0
    forward: Track = 0.0
    up: Track = -0.012
    tilt: Track = 0.0  # forward
    roll: Track = 0.0  # to the right
    turn: Track = 0.0  # to the left


@dataclass(frozen=True)
class Travel:
    """The way of the whole body over the ground: all other tracks move with it."""

    left: Track = 0.0  # in legs, seen from where the body starts
    forward: Track = 0.0
    turn: Track = 0.0  # to the left


@dataclass(frozen=True)
class Posture:
    """All tracks of one motion. `flight` is the height of the lowest point over ground, in legs."""

    pelvis: Pelvis = field(default_factory=Pelvis)
    spine: Spine = field(default_factory=Spine)
    left_arm: ArmAngles | ArmReach = field(default_factory=ArmAngles)
    right_arm: ArmAngles | ArmReach = field(default_factory=ArmAngles)
    left_leg: Leg = field(default_factory=Leg)
    right_leg: Leg = field(default_factory=Leg)
    nod: Track = 0.0  # head forward, beyond what the spine does
    flight: Track = 0.0
    travel: Travel = field(default_factory=Travel)
    left_hand: Hand | None = None  # None: as the grip of the arm says
    right_hand: Hand | None = None
