"""A body that performs a motion: one vertex array for all frames."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from im2mesh.synthesis.body import Body, Pose
from im2mesh.synthesis.manner import adorn, draw_manner, hurry
from im2mesh.synthesis.motions.repertoire import EVERY_MOTION
from im2mesh.synthesis.posing import pose_body
from im2mesh.synthesis.proportions import Proportions, measure
from im2mesh.synthesis.randomness import Purpose, random_for
from im2mesh.synthesis.rotations import rotate_y
from im2mesh.synthesis.shape_space import find_body, is_of_space
from im2mesh.synthesis.soft_tissue import add_soft_tissue
from im2mesh.synthesis.splits import Clip
from im2mesh.synthesis.style import FRAMES_PER_SECOND, Style, draw_style
from im2mesh.synthesis.tracks import Posture, Travel

BECOMING = 16
"""Frames after which a body has become another: a window of 17 frames begins with the one and ends
with the other."""
_SETTLING = 24  # frames before the clip in which soft tissue falls in with the motion


def animate(clip: Clip, num_frames: int, seed: int) -> Float[np.ndarray, "T V 3"]:
    """Vertices of one clip in metres, 60 frames a second; ground level is y = 0.

    The lowest vertex is exactly on the ground or, in flight, as high above it as the motion says.
    The ten baked bodies face +z and move as they always did. People of the shape space face any
    direction, move their hands, have a tempo of their own, and soft tissue.

    With the manner of another body, the joints turn as those of the other do, but for the room that
    arms need beside another trunk and the ground under other legs; proportions and flesh stay its
    own.

    A body that becomes another is a mean of both, moving in the same manner, whose weight passes
    evenly from the one to the other.
    """
    manner_of = clip.body if clip.manner_of is None else clip.manner_of
    if clip.becomes is not None:
        first, last = (
            animate(Clip(body, clip.motion, manner_of), num_frames, seed)
            for body in (clip.body, clip.becomes)
        )
        share = np.minimum(np.arange(num_frames, dtype=first.dtype) / BECOMING, 1)
        return first + share[:, None, None] * (last - first)
    body, motion = find_body(clip.body), clip.motion
    rng = random_for(seed, manner_of, list(EVERY_MOTION).index(motion), Purpose.STYLE)
    style = draw_style(num_frames, rng)
    if not is_of_space(manner_of):
        return _perform(body, EVERY_MOTION[motion](style), style)
    style = replace(style, times=(np.arange(-_SETTLING, num_frames)) / FRAMES_PER_SECOND)
    manner = draw_manner(style.times, rng)
    posture = adorn(EVERY_MOTION[motion](hurry(style, manner)), manner)
    return add_soft_tissue(body, _perform(body, posture, style), rng)[_SETTLING:]


def _perform(body: Body, posture: Posture, style: Style) -> Float[np.ndarray, "T V 3"]:
    """The skinned surface of a body that stands on the ground."""
    size, num_frames = measure(body), len(style.times)
    pose = move_along(pose_body(body, size, posture, num_frames), posture.travel, size)
    vertices = body.skin(pose)
    clearance = np.zeros(num_frames) + posture.flight * size.leg
    lowest = vertices[..., 1].min(axis=1)
    vertices[..., 1] += (clearance - lowest)[:, None]
    return vertices


def move_along(pose: Pose, travel: Travel, size: Proportions) -> Pose:
    """The pose of a body that is turned about the vertical through its start, then displaced."""
    if not any(np.any(track) for track in (travel.left, travel.forward, travel.turn)):
        return pose
    num_frames = len(pose.positions)
    turn = rotate_y(np.zeros(num_frames) + travel.turn)[:, None]
    way = np.stack([np.zeros(num_frames) + track for track in (travel.left, 0.0, travel.forward)])
    places = (turn @ pose.positions[..., None])[..., 0] + size.leg * way.T[:, None]
    return Pose(turn @ pose.rotations, places)
