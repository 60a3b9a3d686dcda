"""Motions with both feet planted."""

import numpy as np

from im2mesh.synthesis.motions.curves import Curve, rise_and_fall
from im2mesh.synthesis.style import Style
from im2mesh.synthesis.tracks import ArmAngles, ArmReach, Leg, Pelvis, Posture, Spine


def chicken_wings(style: Style) -> Posture:
    """Fists before the chest, elbows flapping up and down."""
    angle = style.cycle(2.15)
    flap = rise_and_fall(angle)

    def wing(factor: float, lag: float) -> ArmReach:
        lifted = rise_and_fall(angle - lag)
        return ArmReach(
            out=-0.02,
            up=-0.16 + 0.05 * lifted,
            front=0.2,
            swivel=24 + 70 * style.size * factor * lifted,
            shrug=10 * lifted,
        )

    return Posture(
        pelvis=Pelvis(up=-0.015 - 0.045 * flap, left=style.wander(0.01)),
        spine=Spine(lean=4 - 5 * flap, side=style.wander(3.0), turn=style.wander(4.0, 1.0)),
        left_arm=wing(style.left(), 0.1),
        right_arm=wing(style.right(), -0.1),
        nod=4 * np.sin(angle - 0.5),
    )


def hips(style: Style) -> Posture:
    """The pelvis goes round in a level circle, feet planted."""
    angle = style.cycle(0.85)
    across, along = np.sin(angle), style.side * np.cos(angle)

    def arm(sign: int, factor: float) -> ArmAngles:
        return ArmAngles(
            abduction=26 + 5 * sign * across,
            flexion=8 + 6 * along,
            twist=20.0,
            elbow=62 * factor + 8 * np.sin(angle + sign),
        )

    return Posture(
        pelvis=Pelvis(
            left=0.105 * style.size * across,
            forward=0.085 * style.size * along,
            up=-0.035 + 0.01 * np.cos(2 * angle),
            roll=6 * across,
            tilt=-8 * along,
            turn=7 * style.side * np.sin(angle + 0.9),
        ),
        spine=Spine(
            side=-9 * style.size * across,
            lean=4 + 8 * style.size * along,
            turn=-6 * style.side * np.sin(angle + 0.9),
        ),
        left_arm=arm(1, style.left()),
        right_arm=arm(-1, style.right()),
        nod=-2 * along,
    )


def punching(style: Style) -> Posture:
    """Straight punches in turn from a guard before the chin, the trunk turning with them."""
    angle = style.cycle(0.78)
    left, right = rise_and_fall(angle) ** 2, rise_and_fall(angle + np.pi) ** 2

    def arm(thrust: Curve, factor: float) -> ArmReach:
        return ArmReach(
            out=-0.06 + 0.26 * thrust,
            up=0.06 - 0.02 * thrust,
            front=0.2 + 0.5 * style.size * factor * thrust,
            swivel=18 + 22 * thrust,
            shrug=6 * thrust,
        )

    turn = style.size * (right - left)
    return Posture(
        pelvis=Pelvis(up=-0.05, turn=7 * turn, left=-0.02 * turn, forward=0.02, tilt=2.0),
        spine=Spine(lean=6.0, turn=20 * turn, side=style.wander(2.0)),
        left_arm=arm(left, style.left(0.05)),
        right_arm=arm(right, style.right(0.05)),
        left_leg=Leg(reach=0.09 * style.side, spread=-0.03),
        right_leg=Leg(reach=-0.09 * style.side, spread=-0.03),
    )


def shake_arms(style: Style) -> Posture:
    """Arms held low in front and shaken loose, out of step with each other."""
    angle = style.cycle(2.1)

    def arm(lag: float, factor: float) -> ArmAngles:
        shaken = angle - lag
        return ArmAngles(
            abduction=17 + 8 * style.size * factor * np.sin(shaken),
            flexion=20 + 8 * factor * np.sin(shaken + 0.7),
            twist=10 + 16 * np.sin(shaken + 0.4),
            elbow=40 + 18 * style.size * factor * np.sin(shaken - 0.8),
            shrug=2 + 4 * np.sin(shaken),
            grip=0.1,
        )

    return Posture(
        pelvis=Pelvis(up=-0.02 + 0.008 * np.sin(angle), left=style.wander(0.02)),
        spine=Spine(
            lean=4 + np.sin(angle - 0.5), turn=3 * np.sin(angle - 0.4), side=style.wander(3.0)
        ),
        left_arm=arm(0.0, style.left(0.2)),
        right_arm=arm(2.2, style.right(0.2)),
        nod=2 * np.sin(angle - 1.0),
    )


def shake_hips(style: Style) -> Posture:
    """The pelvis shaken from side to side, feet planted."""
    angle = style.cycle(1.45)
    swing = np.sin(angle)

    def arm(sign: int, factor: float) -> ArmAngles:
        return ArmAngles(
            abduction=12 + 5 * sign * factor * np.sin(angle - 0.5),
            flexion=10 + 6 * sign * np.sin(angle - 0.8),
            elbow=46 + 8 * factor * np.sin(angle - sign),
        )

    return Posture(
        pelvis=Pelvis(
            left=0.065 * style.size * swing,
            up=-0.03,
            roll=8 * style.size * swing,
            turn=8 * np.sin(angle + 0.8),
        ),
        spine=Spine(
            side=-10 * style.size * swing, turn=-9 * np.sin(angle + 0.8), lean=style.wander(4.0)
        ),
        left_arm=arm(1, style.left(0.3)),
        right_arm=arm(-1, style.right(0.3)),
    )


def shake_shoulders(style: Style) -> Posture:
    """Shoulders shaken forward and back and up and down in turn."""
    angle = style.cycle(1.9)
    swing = np.sin(angle)

    def arm(sign: int, factor: float) -> ArmAngles:
        return ArmAngles(
            abduction=7 + 3 * sign * np.sin(angle - 0.6),
            flexion=6 + 7 * sign * np.sin(angle - 0.4),
            elbow=24 + 6 * np.sin(angle - sign),
            shrug=5 + sign * 11 * style.size * factor * swing,
        )

    return Posture(
        pelvis=Pelvis(turn=-3 * swing, left=style.wander(0.02)),
        spine=Spine(
            turn=15 * style.size * np.sin(angle + 0.6), side=4 * swing, lean=5 + style.wander(3.0)
        ),
        left_arm=arm(1, style.left()),
        right_arm=arm(-1, style.right()),
    )
