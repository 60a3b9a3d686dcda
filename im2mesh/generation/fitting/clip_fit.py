"""A surface follows the clouds of a whole clip, window by window, from the frame where it is known.

Stiffness is measured from rest in every window, so errors of shape do not add up.
"""

from collections.abc import Callable
from dataclasses import dataclass

from im2mesh.generation.fitting.clip import ADVANCE, ObservedClip, windows
from im2mesh.generation.fitting.evidence import num_rounds, settle_in_rounds
from im2mesh.generation.fitting.fitted_clip import FittedClip
from im2mesh.generation.fitting.graph import NodeGraph, build_graph
from im2mesh.generation.fitting.guess import Guess, drift_motion, resting_motion
from im2mesh.generation.fitting.matching import SurfacePoints, sparse_surface, tracked_surface
from im2mesh.generation.fitting.motion_fit import fit_motion
from im2mesh.generation.fitting.node_motion import FittedMotion, Pose
from im2mesh.generation.surface import SurfaceOfCloud
from im2mesh.meshing.mesh import Mesh


def fit_clip(
    surface: Mesh,
    clip: ObservedClip,
    *,
    iterations: int,
    extract: SurfaceOfCloud | None = None,
    guess: Guess | None = None,
    seed: int = 0,
    progress: Callable[[], object] = lambda: None,
) -> FittedClip:
    """Follow the clouds from the key frame to the last one, and back to the first one.

    Args:
        surface: The surface at the key frame, a mesh or a cloud, about 1 in size.
        clip: What was observed.
        iterations: Steps of the search in every window, and in every round that finds the surface.
        extract: What gives the surface of a cloud. With it, the surface is found anew from all
            clouds of the first window; None if it is known. Tracked points leave it as it is.
        guess: Nodes -> their motion in the first window, which begins at the key frame and goes
            where there are more frames; None for the drift of the clouds.
        seed: Seed of the draws from large clouds.
        progress: Called `num_steps` times.

    Raises:
        ValueError: If the surface has too few vertices, or a window only empty clouds.
    """
    window = clip.first_window
    if guess is None:
        guess = drift_motion(window.clouds, window.times)
    if extract is not None and _can_settle(clip):
        settled = settle_in_rounds(
            surface, window, extract, guess, iterations=iterations, seed=seed, progress=progress
        )
        surface, graph, motion = settled.surface, settled.graph, settled.motion
    else:
        graph = build_graph(surface)
        motion = guess(graph)
    points = sparse_surface(surface, graph.shares)
    tracked = tracked_surface(clip.clouds[clip.key], points) if clip.corresponding else None
    search = _Search(graph, points, tracked, iterations, seed, progress)
    later = search.follow(clip.later, motion if clip.is_mostly_later else None)
    earlier = search.follow(clip.earlier, None if clip.is_mostly_later else motion)
    return FittedClip(surface, graph, clip.key_time, later, earlier)


def num_steps(clip: ObservedClip, settles: bool) -> int:
    """How often a fit reports progress; `settles` says whether the surface is found anew."""
    sides = windows(len(clip.later.times)) + windows(len(clip.earlier.times))
    return len(sides) + (num_rounds(clip.first_window) if settles and _can_settle(clip) else 0)


def _can_settle(clip: ObservedClip) -> bool:
    return len(clip.times) > 1 and not clip.corresponding


@dataclass(frozen=True)
class _Search:
    graph: NodeGraph
    points: SurfacePoints
    tracked: SurfacePoints | None
    iterations: int
    seed: int
    progress: Callable[[], object]

    def follow(self, side: ObservedClip, guess: FittedMotion | None) -> list[FittedMotion]:
        """The motions of all windows; at the first cloud the surface is at rest."""
        motions, pose = [], Pose.at_rest(len(self.graph.positions))
        for first, last in windows(len(side.times)):
            frames = slice(first, last + 1)
            begun = resting_motion(self.graph, side.times[frames], pose)
            motion = fit_motion(
                self.graph,
                self.points,
                side.clouds[frames],
                side.times[frames],
                begun if guess is None else guess,
                iterations=self.iterations,
                tracked=self.tracked,
                seed=self.seed,
            )
            motions.append(motion)
            guess = None
            following = min(first + ADVANCE, last)
            pose = motion.pose(side.times[following : following + 1]).at(0)
            self.progress()
        return motions
