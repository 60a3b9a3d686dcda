"""A body that performs a motion: one vertex array for all frames."""

import numpy as np
from jaxtyping import Float

from im2mesh.synthesis.body import load_body
from im2mesh.synthesis.motions.repertoire import MOTIONS
from im2mesh.synthesis.posing import pose_body
from im2mesh.synthesis.proportions import measure
from im2mesh.synthesis.randomness import Purpose, random_for
from im2mesh.synthesis.style import draw_style


def animate(body_index: int, motion: str, num_frames: int, seed: int) -> Float[np.ndarray, "T V 3"]:
    """Vertices of one clip in metres, 60 frames a second; ground level is y = 0.

    The lowest vertex is exactly on the ground or, in flight, as high above it as the motion says.
    """
    body = load_body(body_index)
    rng = random_for(seed, body_index, list(MOTIONS).index(motion), Purpose.STYLE)
    posture = MOTIONS[motion](draw_style(num_frames, rng))
    size = measure(body)
    vertices = body.skin(pose_body(body, size, posture, num_frames))
    clearance = np.zeros(num_frames) + posture.flight * size.leg
    lowest = vertices[..., 1].min(axis=1)
    vertices[..., 1] += (clearance - lowest)[:, None]
    return vertices
