"""Motions by name, each a function from a style to tracks over time.

Frequencies and amplitudes are tuned so that the mean step of the surface is 3-12 mm a frame at 60
frames a second, as in real clips. The order of the motions enters the random seeds, and so is part
of the data set: append, never insert.
"""

from collections.abc import Callable

from im2mesh.synthesis.motions.hopping import (
    jiggle_on_toes,
    jumping_jacks,
    light_hopping_loose,
    light_hopping_stiff,
    one_leg_jump,
    one_leg_loose,
)
from im2mesh.synthesis.motions.standing import (
    chicken_wings,
    hips,
    punching,
    shake_arms,
    shake_hips,
    shake_shoulders,
)
from im2mesh.synthesis.motions.stepping import knees, running_on_spot
from im2mesh.synthesis.motions.walking import (
    hop_and_turn,
    jog,
    side_steps,
    spin,
    turn_on_spot,
    walk,
    walk_in_curve,
)
from im2mesh.synthesis.style import Style
from im2mesh.synthesis.tracks import Posture

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
"""The 14 motions of D-FAUST."""

EVERY_MOTION = MOTIONS | {
    motion.__name__: motion
    for motion in (walk, walk_in_curve, side_steps, jog, turn_on_spot, spin, hop_and_turn)
}
"""Also those that travel or turn, which only the people of the benchmark do."""
