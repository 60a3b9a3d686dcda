"""Motions that lift one foot after the other."""

import numpy as np

from im2mesh.synthesis.motions.curves import Curve, half_wave
from im2mesh.synthesis.style import Style
from im2mesh.synthesis.tracks import ArmAngles, Leg, Pelvis, Posture, Spine


def knees(style: Style) -> Posture:
    """Knees raised high in turn, the opposite arm forward."""
    angle = style.cycle(0.72)
    left, right = half_wave(angle), half_wave(angle + np.pi)

    def leg(raised: Curve, factor: float) -> Leg:
        return Leg(
            lift=0.42 * style.size * factor * raised,
            reach=0.2 * raised,
            spread=-0.04 - 0.02 * raised,
            tiptoe=22 * raised,
        )

    def arm(raised: Curve, factor: float) -> ArmAngles:
        return ArmAngles(
            abduction=8.0, flexion=-4 + 34 * factor * raised, elbow=40 + 40 * raised, grip=0.6
        )

    return Posture(
        pelvis=Pelvis(
            left=0.055 * (right - left),
            up=-0.014,
            roll=3 * (left - right),
            tilt=-7 * (left + right),
        ),
        spine=Spine(lean=5 + 7 * (left + right), side=-4 * (left - right), turn=9 * (left - right)),
        left_arm=arm(right, style.left(0.2)),
        right_arm=arm(left, style.right(0.2)),
        left_leg=leg(left, style.left(0.05)),
        right_leg=leg(right, style.right(0.05)),
    )


def running_on_spot(style: Style) -> Posture:
    """A run that stays in place: feet lifted behind in turn, bent arms swinging against them."""
    angle = style.cycle(0.95)
    left, right = half_wave(angle), half_wave(angle + np.pi)
    swing = np.sin(angle)
    change = np.cos(angle) ** 6  # both feet leave the ground as they change

    def leg(raised: Curve, lead: Curve, factor: float) -> Leg:
        return Leg(
            lift=0.27 * style.size * factor * raised,
            reach=raised * (-0.12 + 0.1 * lead),
            spread=-0.07,
            tiptoe=6 + 30 * raised + 10 * change,
        )

    def arm(sign: int, factor: float) -> ArmAngles:
        back = sign * swing
        return ArmAngles(
            abduction=14 + 5 * back,
            flexion=4 - 26 * style.size * factor * back,
            elbow=86 - 8 * back,
            twist=6 - 12 * back,
            grip=0.8,
        )

    return Posture(
        pelvis=Pelvis(
            left=-0.03 * swing,
            up=-0.045 + 0.018 * np.cos(2 * angle),
            roll=3 * swing,
            turn=-4 * swing,
        ),
        spine=Spine(lean=8.0, turn=9 * swing, side=-3 * swing),
        left_arm=arm(1, style.left()),
        right_arm=arm(-1, style.right()),
        left_leg=leg(left, np.cos(angle + np.pi), style.left(0.05)),
        right_leg=leg(right, np.cos(angle), style.right(0.05)),
        flight=0.02 * style.size * change,
    )
