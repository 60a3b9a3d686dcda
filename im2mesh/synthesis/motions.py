"""The 14 motions of D-FAUST, each as tracks over time.

Frequencies and amplitudes are tuned so that the mean step of the surface is 3-12 mm a frame at 60
frames a second, as in real clips.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from im2mesh.synthesis.style import Style
from im2mesh.synthesis.tracks import ArmAngles, ArmReach, Leg, Pelvis, Posture, Spine

Curve = Float[np.ndarray, "T"]


def chicken_wings(style: Style) -> Posture:
    """Fists before the chest, elbows flapping up and down."""
    angle = style.cycle(2.0)
    flap = _rise_and_fall(angle)

    def wing(factor: float, lag: float) -> ArmReach:
        lifted = _rise_and_fall(angle - lag)
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
    angle = style.cycle(0.5)
    clearance, sink = _hop(2 * angle - 0.5 * np.pi)
    apart = _ease(0.5 - np.sqrt(0.5) * np.cos(angle))  # feet move apart only in flight

    def arm(factor: float, lag: float) -> ArmAngles:
        late = _rise_and_fall(angle - lag)
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


def knees(style: Style) -> Posture:
    """Knees raised high in turn, the opposite arm forward."""
    angle = style.cycle(0.72)
    left, right = _half_wave(angle), _half_wave(angle + np.pi)

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


def light_hopping_loose(style: Style) -> Posture:
    """Small hops on both feet with slack arms and shoulders."""
    angle = style.cycle(1.5)
    clearance, sink = _hop(angle)

    def arm(factor: float, lag: float) -> ArmAngles:
        return ArmAngles(
            abduction=12 + 7 * factor * np.sin(angle - 0.9 - lag),
            flexion=8 + 8 * factor * np.sin(angle - 0.6 - lag),
            elbow=34 + 16 * factor * np.sin(angle - 1.3 - lag),
            shrug=3 + 5 * np.sin(angle - 0.8),
        )

    leg = Leg(spread=-0.06, tiptoe=9 + 15 * _rise_and_fall(angle + 2.4))
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
    clearance, sink = _hop(angle)
    arm = ArmAngles(
        abduction=5 + np.sin(angle - 0.5) + style.wander(2.0), flexion=2.0, elbow=9.0, grip=0.6
    )
    leg = Leg(spread=-0.09, tiptoe=10 + 17 * _rise_and_fall(angle + 2.2))
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
    angle = style.cycle(1.2)
    clearance, sink = _hop(angle)
    return _on_one_leg(
        style,
        angle,
        sink=0.058 * style.size * sink,
        flight=0.06 * style.size * clearance,
        swing=14.0,
    )


def one_leg_loose(style: Style) -> Posture:
    """Slack bouncing on one leg, hardly leaving the ground."""
    angle = style.cycle(1.25)
    clearance, sink = _hop(angle, airborne=0.3)
    return _on_one_leg(
        style,
        angle,
        sink=0.045 * style.size * sink,
        flight=0.018 * style.size * clearance,
        swing=18.0,
    )


def _on_one_leg(style: Style, angle: Curve, sink: Curve, flight: Curve, swing: float) -> Posture:
    """Balance over the favoured leg; the other is held up and swings a little."""
    stance = Leg(spread=-0.1, tiptoe=6 + 14 * _rise_and_fall(angle + 2.4))
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


def punching(style: Style) -> Posture:
    """Straight punches in turn from a guard before the chin, the trunk turning with them."""
    angle = style.cycle(0.78)
    left, right = _rise_and_fall(angle) ** 2, _rise_and_fall(angle + np.pi) ** 2

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


def running_on_spot(style: Style) -> Posture:
    """A run that stays in place: feet lifted behind in turn, bent arms swinging against them."""
    angle = style.cycle(0.95)
    left, right = _half_wave(angle), _half_wave(angle + np.pi)
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
        return ArmAngles(
            abduction=10.0,
            flexion=4 - sign * 26 * style.size * factor * swing,
            elbow=78 - sign * 10 * swing,
            twist=16.0,
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


def _rise_and_fall(angle: Curve) -> Curve:
    """0 at angle 0, 1 at pi, smooth."""
    return 0.5 - 0.5 * np.cos(angle)


def _ease(share: Curve) -> Curve:
    """From 0 to 1 with level ends, for shares from 0 to 1."""
    clipped = np.clip(share, 0.0, 1.0)
    return clipped**2 * (3.0 - 2.0 * clipped)


def _half_wave(angle: Curve) -> Curve:
    """A smooth bump to 1 in the first half of each cycle, 0 in the second."""
    return np.maximum(np.sin(angle), 0.0) ** 2


def _hop(angle: Curve, airborne: float = 0.5) -> tuple[Curve, Curve]:
    """Height in flight and sinking while on the ground, each at most 1.

    Parts of one sine, so that the body as a whole moves smoothly through take-off and landing.

    Args:
        angle: Take-off is near 0, the top at pi / 2.
        airborne: Share of the cycle spent in flight, at most one half.
    """
    takeoff = np.sin(np.pi * (0.5 - airborne))
    height = np.sin(angle) - takeoff
    return np.maximum(height, 0.0) / (1 - takeoff), np.maximum(-height, 0.0) / (1 + takeoff)


MOTIONS: dict[str, Callable[[Style], Posture]] = {
    motion.__name__: motion
    for motion in (
        chicken_wings,
        hips,
        jiggle_on_toes,
        jumping_jacks,
        knees,
        light_hopping_loose,
        light_hopping_stiff,
        one_leg_jump,
        one_leg_loose,
        punching,
        running_on_spot,
        shake_arms,
        shake_hips,
        shake_shoulders,
    )
}
