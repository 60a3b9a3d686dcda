"""Motions that travel or turn: walks, a jog, turns on the spot."""

from dataclasses import replace

import numpy as np

from im2mesh.synthesis.footsteps import Arc, Gait, leg_on_way
from im2mesh.synthesis.motions.curves import ease, hop, rise_and_fall
from im2mesh.synthesis.motions.hopping import light_hopping_loose
from im2mesh.synthesis.rotations import rotate_y
from im2mesh.synthesis.style import Style
from im2mesh.synthesis.tracks import ArmAngles, Leg, Pelvis, Posture, Spine, Travel


def walk(style: Style) -> Posture:
    """A walk straight ahead, the arms swinging against the legs."""
    return _walk(style, turn=0.0)


def walk_in_curve(style: Style) -> Posture:
    """A walk along a circle."""
    return _walk(style, turn=60.0 * style.side)


def _walk(style: Style, turn: float) -> Posture:
    gait = Gait(0.85 * style.pace, lift=0.09, width=0.14 + 0.03 * (turn != 0))
    arc = Arc(speed=1.12 * style.size * gait.strides, turn=turn * style.pace)
    return _step(style, arc, gait, swing=20.0 * style.size, elbow=24.0)


def side_steps(style: Style) -> Posture:
    """Steps to one side, looking ahead."""
    gait = Gait(1.0 * style.pace, stance=0.62, lift=0.06, width=0.22, heel=12.0)
    arc = Arc(speed=0.5 * style.size * gait.strides, direction=90.0 * style.side)
    return _step(style, arc, gait, swing=5.0, elbow=40.0)


def jog(style: Style) -> Posture:
    """A slow run, both feet in the air for a moment at each step."""
    gait = Gait(1.25 * style.pace, stance=0.42, lift=0.24, width=0.14, heel=38.0)
    arc = Arc(speed=1.05 * style.size * gait.strides, turn=style.unevenness * 20.0)
    posture = _step(style, arc, gait, swing=26.0 * style.size, elbow=82.0)
    bounce = np.cos(2 * _stride_angle(style, gait) - 2 * np.pi * gait.stance)  # -1 in mid-stance
    pelvis = replace(posture.pelvis, up=-0.085 + 0.02 * bounce)
    spine = replace(posture.spine, lean=8.0)
    return replace(posture, pelvis=pelvis, spine=spine, flight=0.02 * np.maximum(bounce, 0.0) ** 2)


def turn_on_spot(style: Style) -> Posture:
    """Small quick steps that turn the body round."""
    gait = Gait(1.6 * style.pace, lift=0.06, width=0.21, heel=14.0)
    arc = Arc(turn=style.side * 180.0 * style.pace)
    return _step(style, arc, gait, swing=8.0, elbow=36.0)


def _stride_angle(style: Style, gait: Gait) -> np.ndarray:
    """2 pi for each stride of the left foot, which is put down at whole strides."""
    return 2 * np.pi * gait.strides * style.times + style.phase


def _step(style: Style, arc: Arc, gait: Gait, swing: float, elbow: float) -> Posture:
    """Legs that follow a way, and a trunk and arms that move with them."""
    angle = _stride_angle(style, gait)
    ahead = np.cos(angle)  # 1 when the left foot is put down before the body
    left, right = (
        leg_on_way(arc, gait, style.times, style.phase / (2 * np.pi), sign) for sign in (1, -1)
    )
    sway = np.sin(angle - np.pi * (gait.stance - 0.5))

    def arm(sign: int, factor: float) -> ArmAngles:
        back = sign * ahead
        return ArmAngles(
            abduction=5 + style.wander(2.0, sign),
            flexion=5 - swing * factor * back,
            elbow=elbow - 0.4 * swing * back,
        )

    twist = 0.25 * swing
    return Posture(
        pelvis=Pelvis(
            left=0.025 * sway,
            up=-0.06 - 0.022 * np.cos(2 * angle - 2 * np.pi * (gait.stance - 0.5)),
            roll=2.0 * sway,
            turn=-twist * ahead,
        ),
        spine=Spine(lean=3.0, side=-2.0 * sway, turn=2 * twist * ahead),
        left_arm=arm(1, style.left(0.2)),
        right_arm=arm(-1, style.right(0.2)),
        left_leg=left,
        right_leg=right,
        travel=arc.travel(style.times),
    )


def spin(style: Style) -> Posture:
    """Up to a full turn a second on the ball of one foot, arms out for balance."""
    side = style.side
    angle = style.cycle(0.8)
    turn = style.side * 330.0 * style.pace * style.times
    stance = Leg(spread=-0.12, tiptoe=24 + 4 * np.sin(angle))
    held = Leg(lift=0.2 + 0.03 * np.sin(angle), reach=-0.05, spread=-0.1, tiptoe=24.0)
    foot = np.array([side * 0.13, 0.0, 0.18])  # under which the floor does not turn, in legs
    moved = foot - rotate_y(turn) @ foot
    arm = ArmAngles(
        abduction=38 + 22 * style.size * rise_and_fall(angle), flexion=12.0, elbow=30.0, shrug=5.0
    )
    on_left = side > 0
    return Posture(
        pelvis=Pelvis(left=side * 0.1, up=-0.03, roll=-2.0 * side),
        spine=Spine(lean=2.0, side=3.0 * side, turn=side * (8.0 + style.wander(4.0))),
        left_arm=arm,
        right_arm=arm,
        left_leg=stance if on_left else held,
        right_leg=held if on_left else stance,
        travel=Travel(left=moved[:, 0], forward=moved[:, 2], turn=turn),
    )


def hop_and_turn(style: Style) -> Posture:
    """Hops on both feet, each with a part of a turn while in the air."""
    angle = style.cycle(1.4)
    posture = light_hopping_loose(style)
    hops = np.floor(angle / (2 * np.pi))
    share = angle / (2 * np.pi) - hops
    turned = hops + ease(2 * share)  # in flight, the first half of the cycle
    clearance, _ = hop(angle)
    return replace(
        posture,
        flight=0.055 * style.size * clearance,
        travel=Travel(turn=style.side * 75.0 * style.size * turned),
    )
