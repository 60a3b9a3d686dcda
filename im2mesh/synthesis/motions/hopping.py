"""Motions on the balls of the feet, and up into the air."""

import numpy as np

from im2mesh.synthesis.motions.curves import Curve, ease, hop, rise_and_fall
from im2mesh.synthesis.style import Style
from im2mesh.synthesis.tracks import ArmAngles, Leg, Pelvis, Posture, Spine


def jiggle_on_toes(style: Style) -> Posture:
    """Quick bounces on the balls of the feet; everything that hangs follows late."""
    angle = style.cycle(3.0)
    heels = 24 + 9.5 * style.size * np.sin(angle)

    def arm(sign: int, factor: float) -> ArmAngles:
        return ArmAngles(
            abduction=7 + 3 * factor * np.sin(angle - 1.2) + style.wander(2.0, sign),
            flexion=6 + 4 * factor * np.sin(angle - 0.8),
            elbow=24 + 9 * factor * np.sin(angle - 1.5),
            shrug=2 + 4 * np.sin(angle - 1.0),
        )

    return Posture(
        pelvis=Pelvis(up=-0.02, left=style.wander(0.02), turn=style.wander(4.0)),
        spine=Spine(lean=3 + 1.5 * np.sin(angle - 0.6), side=style.wander(2.0, 2.0)),
        left_arm=arm(1, style.left(0.3)),
        right_arm=arm(-1, style.right(0.3)),
        left_leg=Leg(spread=-0.06, tiptoe=heels),
        right_leg=Leg(spread=-0.06, tiptoe=heels + style.wander(2.0)),
        nod=3 * np.sin(angle - 1.2),
    )


def jumping_jacks(style: Style) -> Posture:
    """Legs and arms out and in again, with a small hop at each change."""
    angle = style.cycle(0.47)
    clearance, sink = hop(2 * angle - 0.5 * np.pi)
    apart = ease(0.5 - np.sqrt(0.5) * np.cos(angle))  # feet move apart only in flight

    def arm(factor: float, lag: float) -> ArmAngles:
        late = rise_and_fall(angle - lag)
        return ArmAngles(
            abduction=4 + 118 * style.size * factor * late,
            flexion=12 * late,
            twist=10 - 35 * late,
            elbow=16 + 14 * np.sin(angle - lag) ** 2,
            shrug=20 * late,
        )

    leg = Leg(spread=-0.08 + 0.16 * style.size * apart, tiptoe=18 * clearance + 6 * (1 - sink))
    return Posture(
        pelvis=Pelvis(up=-0.02 - 0.035 * sink - 0.022 * apart, left=style.wander(0.01)),
        spine=Spine(lean=3 + 2 * sink, turn=style.wander(3.0)),
        left_arm=arm(style.left(0.05), 0.1),
        right_arm=arm(style.right(0.05), -0.05),
        left_leg=leg,
        right_leg=leg,
        flight=0.045 * style.size * clearance,
    )


def light_hopping_loose(style: Style) -> Posture:
    """Small hops on both feet with slack arms and shoulders."""
    angle = style.cycle(1.4)
    clearance, sink = hop(angle)

    def arm(factor: float, lag: float) -> ArmAngles:
        return ArmAngles(
            abduction=12 + 7 * factor * np.sin(angle - 0.9 - lag),
            flexion=8 + 8 * factor * np.sin(angle - 0.6 - lag),
            elbow=34 + 16 * factor * np.sin(angle - 1.3 - lag),
            shrug=3 + 5 * np.sin(angle - 0.8),
        )

    leg = Leg(spread=-0.06, tiptoe=9 + 15 * rise_and_fall(angle + 2.4))
    return Posture(
        pelvis=Pelvis(up=-0.02 - 0.04 * style.size * sink, turn=style.wander(4.0)),
        spine=Spine(lean=4 + 4 * np.sin(angle - 2.5), side=style.wander(3.0, 1.0)),
        left_arm=arm(style.left(0.3), 0.1),
        right_arm=arm(style.right(0.3), 0.0),
        left_leg=leg,
        right_leg=leg,
        nod=4 * np.sin(angle - 2.8),
        flight=0.042 * style.size * clearance,
    )


def light_hopping_stiff(style: Style) -> Posture:
    """Small hops from the ankles with a straight body and still arms."""
    angle = style.cycle(1.9)
    clearance, sink = hop(angle)
    arm = ArmAngles(
        abduction=5 + np.sin(angle - 0.5) + style.wander(2.0), flexion=2.0, elbow=9.0, grip=0.6
    )
    leg = Leg(spread=-0.09, tiptoe=10 + 17 * rise_and_fall(angle + 2.2))
    return Posture(
        pelvis=Pelvis(up=-0.012 - 0.018 * sink, left=style.wander(0.01)),
        spine=Spine(lean=1 + style.wander(1.0, 1.0), side=style.wander(1.5)),
        left_arm=arm,
        right_arm=arm,
        left_leg=leg,
        right_leg=leg,
        flight=0.042 * style.size * clearance,
    )


def one_leg_jump(style: Style) -> Posture:
    """Jumps on one leg, the arms helping."""
    angle = style.cycle(1.12)
    clearance, sink = hop(angle)
    return _on_one_leg(
        style,
        angle,
        sink=0.058 * style.size * sink,
        flight=0.06 * style.size * clearance,
        swing=14.0,
    )


def one_leg_loose(style: Style) -> Posture:
    """Slack bouncing on one leg, hardly leaving the ground."""
    angle = style.cycle(1.17)
    clearance, sink = hop(angle, airborne=0.3)
    return _on_one_leg(
        style,
        angle,
        sink=0.045 * style.size * sink,
        flight=0.018 * style.size * clearance,
        swing=18.0,
    )


def _on_one_leg(style: Style, angle: Curve, sink: Curve, flight: Curve, swing: float) -> Posture:
    """Balance over the favoured leg; the other is held up and swings a little."""
    stance = Leg(spread=-0.1, tiptoe=6 + 14 * rise_and_fall(angle + 2.4))
    held = Leg(
        lift=0.28 + 0.035 * np.sin(angle - 0.7),
        reach=-0.06 + 0.03 * np.sin(angle - 0.4),
        spread=-0.06,
        tiptoe=26 + 6 * np.sin(angle - 1.0),
    )

    def arm(sign: int) -> ArmAngles:
        return ArmAngles(
            abduction=18 + 0.5 * swing * np.sin(angle - 0.8) + style.wander(5.0, sign),
            flexion=10 + swing * np.sin(angle - 0.5 - 0.2 * sign),
            elbow=42 + 0.8 * swing * np.sin(angle - 1.1),
            shrug=3 + 3 * np.sin(angle - 0.9),
        )

    on_left = style.side > 0
    return Posture(
        pelvis=Pelvis(
            left=style.side * 0.1, up=-0.02 - sink, roll=-3.0 * style.side, turn=style.wander(4.0)
        ),
        spine=Spine(lean=7 + 3 * np.sin(angle - 2.5), side=4.0 * style.side + style.wander(2.0)),
        left_arm=arm(1),
        right_arm=arm(-1),
        left_leg=stance if on_left else held,
        right_leg=held if on_left else stance,
        nod=2 * np.sin(angle - 2.8),
        flight=flight,
    )
