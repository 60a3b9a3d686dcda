"""One predicted frame and its truth: where eval.py finds the metrics of a frame."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from im2mesh.data.frames import LabelledPoints, SurfacePoints
from im2mesh.evaluation.metrics import SurfaceDistances, iou, sample_surface, surface_distances
from im2mesh.meshing.containment import points_inside_mesh
from im2mesh.meshing.mesh import Mesh


@dataclass(frozen=True)
class MeasuredFrame:
    """The metrics of one predicted frame; distances that several metrics need are computed once.

    A metric that does not apply is None: IoU for clouds and without labelled points, normal
    consistency for clouds and without true normals.

    Attributes:
        mesh: Predicted mesh in the window's coordinates, or cloud of samples of its surface.
        surface: True points on the surface.
        labelled: True points with their occupancy, if there are any.
        num_samples: Number of points drawn on the predicted surface.
        rng: Generator of these draws.
    """

    mesh: Mesh
    surface: SurfacePoints
    labelled: LabelledPoints | None
    num_samples: int
    rng: np.random.Generator

    @property
    def is_cloud(self) -> bool:
        return len(self.mesh.faces) == 0 and not self.mesh.is_empty

    @property
    def empty(self) -> float:
        return float(self.mesh.is_empty)

    @property
    def iou(self) -> float | None:
        if self.is_cloud or self.labelled is None:
            return None
        inside = points_inside_mesh(self.labelled.points, self.mesh.vertices, self.mesh.faces)
        return iou(inside, self.labelled.occupancy)

    @cached_property
    def distances(self) -> SurfaceDistances:
        if self.is_cloud:
            samples, normals = self.mesh.vertices, None
        else:
            samples, normals = sample_surface(
                self.mesh.vertices, self.mesh.faces, self.num_samples, self.rng
            )
        return surface_distances(samples, self.surface.points, normals, self.surface.normals)
