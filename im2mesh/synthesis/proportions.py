"""Measures of a body that posing needs: limb lengths, and the room that arms must leave."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from im2mesh.synthesis.body import Body

SIDES = {"L": 1.0, "R": -1.0}  # side of the body -> sign of x
_FOREARM_RADIUS = 0.075  # in arm lengths
_HAND_LENGTH = 0.35  # in arm lengths


@dataclass(frozen=True)
class Proportions:
    """Lengths in metres."""

    leg: float
    arm: float
    hang: float  # degrees between the vertical and an arm that just clears the hips
    chest: float  # from the shoulder joint forward to the deepest point of the chest


def measure(body: Body) -> Proportions:
    """Measure the left side; the bodies are symmetric at rest."""
    hip, knee, ankle = (body.joint(name) for name in ("upperleg01.L", "lowerleg01.L", "foot.L"))
    shoulder, elbow, wrist = (
        body.joint(name) for name in ("upperarm01.L", "lowerarm01.L", "wrist.L")
    )
    arm = length_of(elbow - shoulder) + length_of(wrist - elbow)
    trunk = _trunk_vertices(body)
    return Proportions(
        leg=length_of(knee - hip) + length_of(ankle - knee),
        arm=arm,
        hang=_hang_angle(trunk, shoulder, arm),
        chest=_chest_depth(trunk, shoulder, arm),
    )


def length_of(vector: Float[np.ndarray, "3"]) -> float:
    return float(np.linalg.norm(vector))


def _trunk_vertices(body: Body) -> Float[np.ndarray, "N 3"]:
    """Vertices that the pelvis, spine or thighs move most."""
    main_joint = body.weights.toarray().argmax(axis=1)
    is_trunk = np.array([name.startswith(("pelvis", "spine", "upperleg")) for name in body.names])
    return body.vertices[is_trunk[main_joint]]


def _hang_angle(
    trunk: Float[np.ndarray, "N 3"], shoulder: Float[np.ndarray, "3"], arm: float
) -> float:
    """Least angle to the side at which a straight arm touches neither ribs nor hips."""
    outward = trunk[:, 0] + _FOREARM_RADIUS * arm - shoulder[0]
    below = shoulder[1] - trunk[:, 1]
    beside = (
        (below > 0.4 * arm)
        & (below < (1 + _HAND_LENGTH) * arm)
        & (np.abs(trunk[:, 2] - shoulder[2]) < 0.2 * arm)
    )
    return float(np.rad2deg(np.arctan2(outward[beside], below[beside]).max()))


def _chest_depth(
    trunk: Float[np.ndarray, "N 3"], shoulder: Float[np.ndarray, "3"], arm: float
) -> float:
    below = shoulder[1] - trunk[:, 1]
    is_chest = (below > -0.1 * arm) & (below < 0.5 * arm) & (trunk[:, 0] > 0)
    return float((trunk[is_chest, 2] - shoulder[2]).max())
