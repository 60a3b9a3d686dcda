"""One triangle mesh, or a point cloud."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, UInt8


@dataclass(frozen=True)
class Mesh:
    """One mesh, or a point cloud when it has vertices and no faces.

    Attributes:
        vertices: Corner positions, in the coordinates of the file it came from.
        faces: Triangles, counter-clockwise seen from outside; [0, 3] for a point cloud.
        colors: One RGB colour per vertex, if known.
        normals: One unit vector per vertex, if known.
    """

    vertices: Float[np.ndarray, "V 3"]
    faces: Int[np.ndarray, "F 3"]
    colors: UInt8[np.ndarray, "V 3"] | None = None
    normals: Float[np.ndarray, "V 3"] | None = None

    @classmethod
    def of_points(
        cls, points: Float[np.ndarray, "V 3"], colors: UInt8[np.ndarray, "V 3"] | None = None
    ) -> "Mesh":
        """A point cloud."""
        return cls(points, np.zeros((0, 3), np.int32), colors)

    @property
    def is_empty(self) -> bool:
        return len(self.vertices) == 0

    def shares_rows(self, other: "Mesh") -> bool:
        """Whether row n may be the same point of the body in both: as many vertices, and the same
        faces."""
        if self.vertices.shape != other.vertices.shape:
            return False
        return self.faces is other.faces or np.array_equal(self.faces, other.faces)
