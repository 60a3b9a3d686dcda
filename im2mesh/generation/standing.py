"""How far from its camera a body stands: its height tells what one image does not show."""

import math
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float

from im2mesh.data.batch import Observation
from im2mesh.meshing.frame_meshes import Reconstruction
from im2mesh.meshing.mesh import Mesh
from im2mesh.meshing.mesh_sequence import MeshSequence
from im2mesh.models.views import axes_of

TOP_ERROR = 0.0013
"""How well the top of a body is found, once it was moved along the line of sight to its place."""
DEPTH_ERROR = 0.009
"""How well that place is found without the help of the top. Both are standard deviations over 28
windows of `val`, in sizes of the body, of weights before today's `images_pixels`; these have 0.0011
and 0.0073, and what counts, their ratio, is nearly the same (docs/benchmark.md)."""
MOST = 3
"""A top that is off by so many standard deviations is not that of the body: a speck, say."""
UPRIGHT = 1.05
"""How many times as long as its other sides the height of a body must be to be its longest side
for sure."""


def place_by_top(meshes: Reconstruction, seen: Observation) -> Reconstruction:
    """Move a body along the line of sight of its camera, to where its top is most likely.

    It is for models that place a surface where pixels show it, and for cameras that are exactly
    known, as those of a data set are: of a camera that is guessed from a silhouette, the height is
    not known well enough.

    Args:
        meshes: Meshes in the frame of their window, y up, which share their vertices; all are moved
            alike, and others are not.
        seen: What they were made from.
    """
    if not isinstance(meshes, MeshSequence) or meshes.is_empty or not len(seen.cameras):
        return meshes
    shift = shift_along_sight(meshes.meshes[0], seen.cameras[0])
    return replace(meshes, vertices=meshes.vertices + shift)


def shift_along_sight(body: Mesh, camera: Float[np.ndarray, "3 4"]) -> Float[np.ndarray, "3"]:
    """What moves a body to where its top is most likely.

    Positions are in the frame of the body's box at t = 0. So the top of a body whose longest side
    is its height is at 1/2, known exactly. The image shows on which line of sight it is, and before
    a camera that looks down that line falls: a top that is too high is too near. Neither is exact,
    so the shift is the most likely one: the mean of the normal distribution of the place, given the
    top. (Soles, which are at -1/2, are found less well: 0.004 too high, give or take 0.003.)

    Args:
        body: The mesh at t = 0.
        camera: See `Views.cameras`.

    Returns:
        The shift; 0 where the top tells nothing: before cameras that do not look down or up, or
        that are near, whose lines of sight differ; of bodies that are not upright; and of tops that
        are farther off than a body may be.
    """
    depth, height, width = np.ptp(body.vertices, axis=0)[[2, 1, 0]]
    if np.abs(camera[2, :3]).max() > 0 or height < UPRIGHT * max(depth, width):
        return np.zeros(3, np.float32)
    sight = axes_of(torch.from_numpy(camera.astype(np.float64))[None])[0, 2].numpy()
    slope, excess = sight[1], float(body.vertices[:, 1].max()) - 0.5
    if abs(excess) > MOST * math.hypot(slope * DEPTH_ERROR, TOP_ERROR):
        return np.zeros(3, np.float32)
    distance = -excess * slope / (slope**2 + (TOP_ERROR / DEPTH_ERROR) ** 2)
    return (distance * sight).astype(np.float32)
