"""A surface follows the clouds of a whole clip, window by window, from the frame where it is known.

In the first window the surface settles: it is moved to where the clouds of all frames say it is.
Windows overlap: the last frames of each are the least certain, so the next one begins before them.
Stiffness is measured from rest in every window, so errors of shape do not add up.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from im2mesh.generation.fitting.graph import NodeGraph, build_graph
from im2mesh.generation.fitting.guess import drift_motion, resting_motion
from im2mesh.generation.fitting.matching import SurfacePoints, sparse_surface, tracked_surface
from im2mesh.generation.fitting.motion_fit import FittedMotion, fit_motion
from im2mesh.generation.fitting.node_motion import Pose, carry_points
from im2mesh.generation.fitting.settling import settle
from im2mesh.meshing.mesh import Mesh

WINDOW = 17
"""Frames that are fitted at once."""
ADVANCE = 12
"""Frames from the start of one window to the start of the next."""


@dataclass(frozen=True)
class Clip:
    """What was observed of a clip, in the units of the surface.

    Attributes:
        clouds: Points of every frame, any number of them.
        times: Times of the frames, strictly increasing, in any unit.
        key: Index of the frame at which the surface is known.
        corresponding: Whether row n is the same particle in all clouds.
    """

    clouds: Sequence[Float[np.ndarray, "_ 3"]]
    times: Float[np.ndarray, "T"]
    key: int = 0
    corresponding: bool = False

    @property
    def num_windows(self) -> int:
        """Windows that a fit takes."""
        return len(_windows(len(self.times) - self.key)) + len(_windows(self.key + 1))


@dataclass(frozen=True)
class FittedClip:
    """A surface that moves over a whole clip.

    Attributes:
        surface: The surface at the key frame, where it is at rest.
        graph: Nodes of the surface.
        points: Some points of the surface.
        key_time: Time of the key frame.
        later: Motions of the windows after the key frame, in their order.
        earlier: Those before it, from the key frame back; their clock runs backward.
    """

    surface: Mesh
    graph: NodeGraph
    points: SurfacePoints
    key_time: float
    later: Sequence[FittedMotion]
    earlier: Sequence[FittedMotion]

    def pose(self, time: float) -> Pose:
        """The pose of the nodes at a time of the clip."""
        is_later = time >= self.key_time
        motions, clock = (self.later, time) if is_later else (self.earlier, -time)
        begun = [motion for motion in motions if motion.basis.start <= clock]
        if not begun:
            return Pose.at_rest(len(self.graph.positions))
        return begun[-1].pose(np.array([clock])).at(0)

    def vertices(self, times: Float[np.ndarray, "S"]) -> Float[np.ndarray, "S V 3"]:
        """Positions of all vertices of the surface at times of the clip."""
        points = torch.from_numpy(self.surface.vertices.astype(np.float32))
        poses = [self.pose(float(time)).as_frames() for time in times]
        carried = [carry_points(self.graph, pose, points, self.graph.shares) for pose in poses]
        return torch.cat(carried).numpy()


def fit_clip(
    surface: Mesh,
    clip: Clip,
    *,
    iterations: int,
    guess: Callable[[NodeGraph], FittedMotion] | None = None,
    seed: int = 0,
    progress: Callable[[], object] = lambda: None,
) -> FittedClip:
    """Follow the clouds from the key frame to the last one, and back to the first one.

    Args:
        surface: The surface at the key frame, a mesh or a cloud, about 1 in size. Unless points are
            tracked, it is corrected.
        clip: What was observed.
        iterations: Steps of the search in every window.
        guess: Nodes -> their motion in the first window after the key frame; None for none.
        seed: Seed of the draws from large clouds.
        progress: Called after every window.

    Raises:
        ValueError: If the surface has too few vertices, or a window only empty clouds.
    """
    graph = build_graph(surface)
    window = slice(clip.key, clip.key + WINDOW)
    clouds, times = clip.clouds[window], clip.times[window]
    first = None if guess is None else guess(graph)
    if len(clouds) > 1 and not clip.corresponding:
        first = drift_motion(graph, clouds, times) if first is None else first
        settled = settle(surface, graph, clouds, times, first, iterations=iterations, seed=seed)
        surface, graph, first = settled.surface, settled.graph, settled.motion
    points = sparse_surface(surface, graph.shares)
    tracked = tracked_surface(clip.clouds[clip.key], points) if clip.corresponding else None
    search = _Search(graph, points, tracked, iterations, seed, progress)
    back = slice(clip.key, None, -1)
    later = search.follow(clip.clouds[clip.key :], clip.times[clip.key :], first)
    earlier = search.follow(clip.clouds[back], -clip.times[back], None)
    return FittedClip(surface, graph, points, float(clip.times[clip.key]), later, earlier)


@dataclass(frozen=True)
class _Search:
    graph: NodeGraph
    points: SurfacePoints
    tracked: SurfacePoints | None
    iterations: int
    seed: int
    progress: Callable[[], object]

    def follow(
        self,
        clouds: Sequence[Float[np.ndarray, "_ 3"]],
        times: Float[np.ndarray, "T"],
        guess: FittedMotion | None,
    ) -> list[FittedMotion]:
        """The motions of all windows; at the first cloud the surface is at rest."""
        motions, pose = [], Pose.at_rest(len(self.graph.positions))
        for first, last in _windows(len(times)):
            frames = slice(first, last + 1)
            begun = resting_motion(self.graph, times[frames], pose)
            motion = fit_motion(
                self.graph,
                self.points,
                clouds[frames],
                times[frames],
                begun if guess is None else guess,
                iterations=self.iterations,
                tracked=self.tracked,
                seed=self.seed,
            )
            motions.append(motion)
            guess = None
            following = min(first + ADVANCE, last)
            pose = motion.pose(times[following : following + 1]).at(0)
            self.progress()
        return motions


def _windows(num_frames: int) -> list[tuple[int, int]]:
    """First and last frame of every window; none for a single frame."""
    starts = range(0, max(num_frames - WINDOW, 0) + ADVANCE, ADVANCE) if num_frames > 1 else ()
    return [(first, min(first + WINDOW, num_frames) - 1) for first in starts]
