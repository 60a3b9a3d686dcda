"""How even the steps are when a code goes from one window to another."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import numpy as np
from scipy.spatial import KDTree

from im2mesh.meshing.frame_meshes import Reconstruction
from im2mesh.meshing.mesh_sequence import MeshSequence
from im2mesh.studies.generative.invented import Plausible, judge

CodeName = Literal["shape", "motion"]


def measure_path(
    path: Sequence[Reconstruction], what: CodeName, plausible: Plausible
) -> dict[str, float]:
    """How even the steps between bodies are, one code of which is blended: metric -> number.

    largest_step is that of the steps along the path, divided by their mean: 1 if all are equal. A
    step of the shape is the distance of the surfaces at t = 0, one of the motion that of the
    vertices in the last frame; where the surface is lost on the way, or nothing changes, there is
    no number. is_body is the share of the path that `judge` takes for bodies.
    """
    moving = [meshes for meshes in path if isinstance(meshes, MeshSequence) and len(meshes.faces)]
    bodies = [judge(meshes.meshes, plausible) for meshes in moving]
    share = {"is_body": sum(found["is_body"] for found in bodies) / len(path)}
    step = largest_step(moving, what) if len(moving) == len(path) else None
    return share if step is None else {"largest_step": step, **share}


def largest_step(path: Sequence[MeshSequence], what: CodeName) -> float | None:
    """The largest step along a path, divided by the mean step; None where nothing changes."""
    steps = _steps_of_shape(path) if what == "shape" else _steps_of_motion(path)
    mean = float(np.mean(steps))
    return max(steps) / mean if mean else None


def _steps_of_shape(path: Sequence[MeshSequence]) -> list[float]:
    """Mean distance between the vertices of neighbouring surfaces, in both directions."""
    clouds = [meshes.vertices[0] for meshes in path]
    trees = [KDTree(cloud) for cloud in clouds]
    return [
        float(there.query(b)[0].mean() + here.query(a)[0].mean()) / 2
        for (a, there), (b, here) in pairwise(zip(clouds, trees, strict=True))
    ]


def _steps_of_motion(path: Sequence[MeshSequence]) -> list[float]:
    ends = [meshes.vertices[-1] for meshes in path]
    return [float(np.linalg.norm(b - a, axis=-1).mean()) for a, b in pairwise(ends)]
