"""Soft tissue: flesh that follows the skinned motion late, like a mass on a damped spring."""

import numpy as np
from jaxtyping import Float
from scipy.linalg import expm

from im2mesh.synthesis.body import Body
from im2mesh.synthesis.softness import heaviness, softness_of
from im2mesh.synthesis.style import FRAMES_PER_SECOND

_LEAN_HERTZ, _HEAVY_HERTZ = 6.0, 4.0
_DAMPING = (0.25, 0.4)  # share of critical damping
_FARTHEST = 0.02  # of the body's height: the displacement that soft flesh never passes
_FIRM = 0.01


def add_soft_tissue(
    body: Body, vertices: Float[np.ndarray, "T V 3"], rng: np.random.Generator
) -> Float[np.ndarray, "T V 3"]:
    """Let flesh lag behind the skinned surface.

    At first nothing has been displaced yet, so leave out the beginning of the result.

    Args:
        vertices: Skinned surface in metres, in a frame that neither turns nor accelerates,
            FRAMES_PER_SECOND frames a second.
    """
    softness = softness_of(body)
    rows = np.flatnonzero(softness > _FIRM)
    hertz = _LEAN_HERTZ + heaviness(body) * (_HEAVY_HERTZ - _LEAN_HERTZ)
    damping = rng.uniform(*_DAMPING)
    # float64, since second differences of float32 would tremble
    lag = follow_late(vertices[:, rows].astype(np.float64), hertz, damping)
    soft = (softness[rows] - _FIRM)[:, None]
    farthest = _FARTHEST * float(np.ptp(body.vertices[:, 1])) * soft
    moved = vertices.copy()
    moved[:, rows] += limit_length(soft * lag, farthest)
    return moved


def follow_late(
    positions: Float[np.ndarray, "T N 3"], hertz: float, damping: float
) -> Float[np.ndarray, "T N 3"]:
    """Displacement d of masses on springs whose ends move along `positions`.

    d'' = -w^2 d - 2 damping w d' - p'', with w = 2 pi hertz, solved exactly for accelerations that
    are constant within a frame; d = d' = 0 in the first frame.
    """
    rate = 2 * np.pi * hertz
    system = np.array([[0.0, 1.0, 0.0], [-(rate**2), -2 * damping * rate, -1.0], [0.0, 0.0, 0.0]])
    step = expm(system / FRAMES_PER_SECOND)
    accelerations = np.diff(positions, n=2, axis=0) * FRAMES_PER_SECOND**2
    lag, velocity = np.zeros_like(positions), np.zeros_like(positions[0])
    for frame, acceleration in enumerate(accelerations, start=1):
        before = lag[frame]
        lag[frame + 1] = step[0, 0] * before + step[0, 1] * velocity + step[0, 2] * acceleration
        velocity = step[1, 0] * before + step[1, 1] * velocity + step[1, 2] * acceleration
    return lag


def limit_length(
    vectors: Float[np.ndarray, "*S 3"], longest: Float[np.ndarray, "*#S 1"]
) -> Float[np.ndarray, "*S 3"]:
    """Shorten vectors smoothly, so that none is longer than `longest`; short ones hardly change."""
    share = np.linalg.norm(vectors, axis=-1, keepdims=True) / np.maximum(longest, 1e-12)
    return vectors * np.divide(np.tanh(share), share, out=np.ones_like(share), where=share > 1e-6)
