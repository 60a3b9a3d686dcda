"""What makes each clip of the benchmark its own: tempo, heading, and what the hands do."""

from dataclasses import dataclass, fields, replace

import numpy as np
from jaxtyping import Float

from im2mesh.synthesis.motions.curves import ease
from im2mesh.synthesis.style import Style
from im2mesh.synthesis.tracks import Hand, Posture, Travel

TEMPO = (0.7, 1.4)  # range of the factor on the speed of a motion
_CHANGE = (0.35, 0.8)  # seconds that a hand takes from one pose to the next
_TREMOR = 0.05
HAND_POSES = {
    "open": Hand(thumb=-0.1, index=0.0, middle=0.0, ring=0.0, little=0.0, spread=7.0),
    "flat": Hand(thumb=0.3, index=-0.08, middle=-0.08, ring=-0.08, little=-0.08, spread=-3.0),
    "relaxed": Hand(thumb=0.25, index=0.22, middle=0.3, ring=0.36, little=0.42),
    "cupped": Hand(thumb=0.6, index=0.4, middle=0.42, ring=0.45, little=0.5, spread=-2.0),
    "fist": Hand(thumb=0.9, index=0.95, middle=1.0, ring=1.0, little=1.0, spread=-2.0),
    "pointing": Hand(thumb=0.7, index=0.0, middle=0.9, ring=0.95, little=0.95),
    "victory": Hand(thumb=0.9, index=0.0, middle=0.0, ring=0.95, little=0.95, spread=5.0),
    "thumb up": Hand(thumb=-0.35, index=0.95, middle=1.0, ring=1.0, little=1.0, spread=-2.0),
    "claw": Hand(thumb=0.3, index=0.5, middle=0.5, ring=0.5, little=0.5, spread=6.0),
}


@dataclass(frozen=True)
class Manner:
    """The manner of one clip beside its style; heading is in degrees to the left."""

    tempo: float
    heading: float
    left_hand: Hand
    right_hand: Hand


def draw_manner(times: Float[np.ndarray, "T"], rng: np.random.Generator) -> Manner:
    """Draw the manner of a clip; times are in seconds, and hands are drawn for the first second."""
    tempo = np.exp(rng.uniform(*np.log(TEMPO)))
    heading = rng.uniform(0.0, 360.0)
    return Manner(float(tempo), float(heading), draw_hand(times, rng), draw_hand(times, rng))


def draw_hand(times: Float[np.ndarray, "T"], rng: np.random.Generator) -> Hand:
    """A hand that goes from one pose to another, and on to a third in some clips."""
    poses = [_values(HAND_POSES[name]) for name in rng.choice(list(HAND_POSES), 3)]
    starts, lasts = np.sort(rng.uniform(-0.1, 1.0, 2)), rng.uniform(*_CHANGE, 2)
    values = np.repeat(poses[0][None], len(times), axis=0)  # [T, 7]
    for pose, start, last in zip(poses[1:], starts, lasts, strict=True):
        values += ease((times - start) / last)[:, None] * (pose - values)
    hertz, phase = rng.uniform(0.3, 1.0, 5), rng.uniform(0.0, 2 * np.pi, 5)
    values[:, :5] += _TREMOR * np.sin(2 * np.pi * hertz * times[:, None] + phase)
    bend, swing = rng.normal(0.0, 10.0), rng.uniform(0.0, 10.0)
    wrist = bend + swing * np.sin(2 * np.pi * rng.uniform(0.3, 1.2) * times + rng.uniform(0, 6.28))
    values[:, -1] += np.clip(wrist, -30.0, 30.0)
    return Hand(*values.T)


def _values(hand: Hand) -> Float[np.ndarray, "7"]:
    return np.array([getattr(hand, field.name) for field in fields(hand)], dtype=np.float64)


def hurry(style: Style, manner: Manner) -> Style:
    """The style at the clip's tempo."""
    return replace(style, pace=style.pace * manner.tempo)


def adorn(posture: Posture, manner: Manner) -> Posture:
    """The posture with the clip's hands, turned as a whole to its heading."""
    travel, angle = posture.travel, np.deg2rad(manner.heading)
    turned = Travel(
        left=np.cos(angle) * travel.left + np.sin(angle) * travel.forward,
        forward=np.cos(angle) * travel.forward - np.sin(angle) * travel.left,
        turn=travel.turn + manner.heading,
    )
    return replace(posture, travel=turned, left_hand=manner.left_hand, right_hand=manner.right_hand)
