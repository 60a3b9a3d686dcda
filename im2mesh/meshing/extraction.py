"""From an occupancy function to a triangle mesh: coarse-to-fine evaluation, then marching cubes.

The coarse-to-fine scheme follows multiresolution isosurface extraction (MISE; Mescheder et al.,
Occupancy Networks, CVPR 2019, section 3.3). MISE evaluates all points of the cells that the surface
crosses. Here only the ends of the edges that it crosses are evaluated, which gives the same surface
from about half as many points.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from im2mesh.meshing.marching_cubes import marching_cubes

LogitsFunction = Callable[[Tensor], Tensor]
"""Positions [N, 3] float32 on the CPU -> occupancy logits [N], on any device."""


@dataclass(frozen=True)
class ExtractedSurface:
    """The level set of an occupancy function as triangles; V = F = 0 if nothing is occupied.

    Attributes:
        vertices: Positions in the coordinates of the occupancy function.
        faces: Triangles, counter-clockwise seen from outside; the surface is closed.
        num_evaluations: Number of points at which the function was evaluated.
        voxel_size: Side of a cell of the finest grid.
    """

    vertices: Float[np.ndarray, "V 3"]
    faces: Int[np.ndarray, "F 3"]
    num_evaluations: int
    voxel_size: float


def probability_to_logit(threshold: float) -> float:
    """The logit at which the occupancy probability equals the threshold."""
    if not 0.0 < threshold < 1.0:
        raise ValueError(f"threshold is a probability within (0, 1), got {threshold}")
    return math.log(threshold) - math.log1p(-threshold)


def extract_surface(
    logits_function: LogitsFunction,
    *,
    threshold: float = 0.3,
    resolution: int = 32,
    upsampling_steps: int = 2,
    padding: float = 0.1,
    batch_points: int = 100_000,
) -> ExtractedSurface:
    """Extract the surface where the occupancy probability equals the threshold.

    The box is the cube of side 1 + padding around the origin. A part of the shape that slips
    between the points of the coarsest grid, without a connection to a part that does not, may be
    missed; raise `resolution` (and lower `upsampling_steps`) to find it. A surface that leaves the
    box is closed by the box's wall.

    Args:
        logits_function: Occupancy logits [N] of positions [N, 3]; called without gradients.
        threshold: Occupancy probability on the surface, within (0, 1).
        resolution: Cells per axis of the coarsest grid.
        upsampling_steps: How often cells at the surface are halved; the finest grid has
            resolution * 2**upsampling_steps cells per axis.
        padding: How far the box exceeds the unit cube, both sides together.
        batch_points: Largest number of points per call of the function.

    Raises:
        ValueError: If an argument is out of range or the function returns the wrong number of
            values or values that are not finite.
    """
    level = probability_to_logit(threshold)
    _check_grid(resolution, upsampling_steps, padding, batch_points)
    box_side = 1.0 + padding
    num_cells = resolution * 2**upsampling_steps
    grid = _Grid(logits_function, level, box_side, batch_points)
    values = grid.evaluate_lattice(resolution)
    for _ in range(upsampling_steps):
        values = grid.refine(values)
    # one layer of outside around the box closes surfaces that touch its wall
    volume = np.pad(values - np.float32(level), 1, constant_values=-1e6)
    vertices, faces = marching_cubes(volume)
    vertices = (vertices - 1.0) * (box_side / num_cells) - box_side / 2  # indices to coordinates
    return ExtractedSurface(
        vertices=vertices.astype(np.float32),
        faces=faces.astype(np.int32),
        num_evaluations=grid.num_evaluations,
        voxel_size=box_side / num_cells,
    )


class _Grid:
    """Evaluates the function at the points of a lattice, all of them or those near the surface."""

    def __init__(
        self, logits_function: LogitsFunction, level: float, box_side: float, batch_points: int
    ) -> None:
        self.logits_function = logits_function
        self.level = level
        self.box_side = box_side
        self.batch_points = batch_points
        self.num_evaluations = 0
        self.known = np.zeros((0, 0, 0), bool)  # which values of the last lattice were evaluated

    def evaluate_lattice(self, num_cells: int) -> Float[np.ndarray, "n n n"]:
        """Values at the corners of all num_cells^3 cells of the box."""
        size = num_cells + 1
        self.known = np.ones((size, size, size), bool)
        indices = np.indices((size, size, size)).reshape(3, -1).T
        return self._evaluate(indices, num_cells).reshape(size, size, size)

    def refine(self, coarse: Float[np.ndarray, "n n n"]) -> Float[np.ndarray, "m m m"]:
        """Halve the cells (m = 2n - 1), and evaluate the ends of edges that the surface crosses.

        Values between coarse points are first guessed by linear interpolation. Where neighbours
        have different signs, both are evaluated, and what that changes is followed until no guess
        is left beside a different sign. So the surface, which marching cubes puts on such edges
        alone, never lies between values that were not evaluated.
        """
        fine = _interpolate_between(coarse)
        known = np.zeros(fine.shape, bool)
        known[::2, ::2, ::2] = self.known
        while True:
            wanted = _ends_of_crossed_edges(fine > self.level) & ~known
            if not wanted.any():
                self.known = known
                return fine
            fine[wanted] = self._evaluate(np.argwhere(wanted), len(fine) - 1)
            known |= wanted

    def _evaluate(self, indices: Int[np.ndarray, "N 3"], num_cells: int) -> Float[np.ndarray, " N"]:
        """Values at lattice points given by their indices 0 ... num_cells along each axis."""
        points = (indices * (self.box_side / num_cells) - self.box_side / 2).astype(np.float32)
        self.num_evaluations += len(points)
        values = [np.zeros(0, np.float32)]
        with torch.no_grad():
            for batch in torch.from_numpy(points).split(self.batch_points):
                logits = self.logits_function(batch)
                if logits.shape != batch.shape[:1]:
                    raise ValueError(
                        f"logits_function must return one value for each of {len(batch)} points, "
                        f"got shape {list(logits.shape)}"
                    )
                values.append(logits.float().cpu().numpy())
        result = np.concatenate(values)
        if not np.isfinite(result).all():
            raise ValueError("logits_function returned values that are not finite")
        return result


def _interpolate_between(coarse: Float[np.ndarray, "n n n"]) -> Float[np.ndarray, "m m m"]:
    """Values on the lattice of half the spacing (m = 2n - 1), by trilinear interpolation."""
    values = coarse
    for axis in range(3):
        finer = values.repeat(2, axis).swapaxes(0, axis)[:-1]
        finer[1::2] = finer[:-1:2] / 2 + finer[2::2] / 2
        values = np.ascontiguousarray(finer.swapaxes(0, axis))
    return values


def _ends_of_crossed_edges(inside: Bool[np.ndarray, "n n n"]) -> Bool[np.ndarray, "n n n"]:
    """The points that have one of their six neighbours on the other side of the surface."""
    ends = np.zeros_like(inside)
    for axis in range(3):
        along, ends_along = inside.swapaxes(0, axis), ends.swapaxes(0, axis)
        crossed = along[:-1] != along[1:]
        ends_along[:-1] |= crossed
        ends_along[1:] |= crossed
    return ends


def _check_grid(resolution: int, upsampling_steps: int, padding: float, batch_points: int) -> None:
    if resolution < 1:
        raise ValueError(f"resolution must be at least 1 cell per axis, got {resolution}")
    if upsampling_steps < 0:
        raise ValueError(f"upsampling_steps must be 0 or more, got {upsampling_steps}")
    if not -1.0 < padding < math.inf:
        raise ValueError(f"padding must be larger than -1, got {padding}")
    if batch_points < 1:
        raise ValueError(f"batch_points must be at least 1, got {batch_points}")
