"""Whether what a model invents is a body: one closed surface, as large as bodies are."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import trimesh

from im2mesh.data.layout import Window
from im2mesh.meshing.mesh import Mesh
from im2mesh.studies.generative.truth import read_true_body
from im2mesh.studies.motion.solids import volume

TOLERANCE = 0.1
"""By which volume and height may lie outside of the range of true bodies, relatively."""


@dataclass(frozen=True)
class Plausible:
    """The range of true bodies, in units of their longest side at t = 0."""

    volume: tuple[float, float]
    height: tuple[float, float]

    @staticmethod
    def of(root: str, windows: Sequence[Window]) -> "Plausible":
        """The range over the first frames of windows of synthetic bodies.

        Raises:
            UserError: If a clip is not one of scripts/make_bodies.py.
        """
        meshes = [read_true_body(root, window, 1).meshes[0] for window in windows]
        volumes, heights = map(volume, meshes), map(height, meshes)
        return Plausible(_range(list(volumes)), _range(list(heights)))


def height(mesh: Mesh) -> float:
    """Extent along y."""
    return float(np.ptp(mesh.vertices[:, 1]))


def judge(meshes: Sequence[Mesh], plausible: Plausible) -> dict[str, float]:
    """What is right about a moving body, 1 or 0 for each: metric -> number.

    Args:
        meshes: One mesh per frame, of the same faces.
        plausible: The range of true bodies, in which volume and height of every frame must lie.
    """
    if not len(meshes[0].faces):
        return dict.fromkeys(("one_piece", "closed", "plausible", "is_body"), 0.0)
    whole = trimesh.Trimesh(meshes[0].vertices, meshes[0].faces, process=False)
    found = {
        "one_piece": whole.body_count == 1,
        "closed": whole.is_watertight,
        "plausible": all(
            _lies_in(volume(mesh), plausible.volume) and _lies_in(height(mesh), plausible.height)
            for mesh in meshes
        ),
    }
    found["is_body"] = all(found.values())
    return {name: float(is_so) for name, is_so in found.items()}


def _range(values: Sequence[float]) -> tuple[float, float]:
    return (1 - TOLERANCE) * min(values), (1 + TOLERANCE) * max(values)


def _lies_in(value: float, bounds: tuple[float, float]) -> bool:
    return bounds[0] <= value <= bounds[1]
