"""Measures of two things a moving body must not do: change its volume, pass through itself."""

from collections.abc import Sequence

import numpy as np

from im2mesh.meshing.containment import winding_numbers
from im2mesh.meshing.mesh import Mesh
from im2mesh.meshing.volumes import signed_volumes

NUM_SAMPLES = 100_000  # points in the bounding box, of which a body fills about a tenth


def volume(mesh: Mesh) -> float:
    """Signed volume of a closed mesh; overlapping parts count twice, an empty mesh has none."""
    if mesh.is_empty:
        return 0.0
    return float(signed_volumes(mesh).sum())


def volume_drift(meshes: Sequence[Mesh]) -> float:
    """The largest relative change of volume, |V_t / V_0 - 1| over all frames.

    Raises:
        ValueError: If the first mesh has no volume.
    """
    volumes = np.array([volume(mesh) for mesh in meshes])
    if not volumes[0] > 0:
        raise ValueError(f"the first mesh has volume {volumes[0]:g}, so it has no relative change")
    return float(np.abs(volumes / volumes[0] - 1).max())


def self_overlap(mesh: Mesh, rng: np.random.Generator) -> float:
    """Share of the interior that is enclosed twice or more; 0 if the body does not cross itself.

    It is estimated by uniform samples of the bounding box. With 10 000 samples inside and a share
    of 1 %, the standard error is 0.1 %.

    Raises:
        ValueError: If no sample lies inside.
    """
    if mesh.is_empty:
        raise ValueError("the mesh is empty, so nothing can overlap")
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    winding = winding_numbers(rng.uniform(low, high, (NUM_SAMPLES, 3)), mesh.vertices, mesh.faces)
    inside = np.count_nonzero(winding > 0.5)
    if inside == 0:
        raise ValueError(f"none of {NUM_SAMPLES} samples lies inside the mesh; is it closed?")
    return np.count_nonzero(winding > 1.5) / inside
