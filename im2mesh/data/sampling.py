"""Random points on and around a body, and labels that say which of them lie inside."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from im2mesh.data.transforms import NormalizationFrame, bounding_frame
from im2mesh.meshing.containment import points_inside_mesh

CUBE_SIDE = 1.1  # side of the cube of query points around a frame of longest side 1


def normalisation_of(vertices: Float[np.ndarray, "V 3"]) -> NormalizationFrame:
    """Centre of the bounding box, rounded to float16 as it is stored, and its longest side."""
    exact = bounding_frame(vertices.astype(np.float64))
    return NormalizationFrame(exact.loc.astype(np.float16).astype(np.float64), exact.scale)


@dataclass(frozen=True)
class SurfaceSample:
    """Fixed places on a surface, found again in every frame by face and barycentric weights."""

    faces: Int[np.ndarray, "N"]
    weights: Float[np.ndarray, "N 3"]

    def points(
        self, vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"]
    ) -> Float[np.ndarray, "N 3"]:
        """Positions of these places for the given vertices."""
        corners = vertices[faces[self.faces]]  # [N, 3, 3]
        return np.einsum("nk,nkd->nd", self.weights, corners)


def sample_surface(
    vertices: Float[np.ndarray, "V 3"],
    faces: Int[np.ndarray, "F 3"],
    num_points: int,
    rng: np.random.Generator,
) -> SurfaceSample:
    """Draw places on the surface, uniformly by area."""
    cumulative = np.cumsum(np.linalg.norm(face_normals(vertices, faces), axis=1))
    drawn = rng.random(num_points) * cumulative[-1]
    chosen = np.minimum(np.searchsorted(cumulative, drawn, side="right"), len(faces) - 1)
    root, share = np.sqrt(rng.random(num_points)), rng.random(num_points)
    weights = np.stack([1 - root, root * (1 - share), root * share], axis=1)
    return SurfaceSample(chosen, weights)


def face_normals(
    vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"]
) -> Float[np.ndarray, "F 3"]:
    """Outward normals, as long as twice the area of the face."""
    a, b, c = (vertices[faces[:, corner]] for corner in range(3))
    return np.cross(b - a, c - a)


def sample_cube(num_points: int, rng: np.random.Generator) -> Float[np.ndarray, "N 3"]:
    """Points uniform in the cube around a normalised frame, in float16 as stored."""
    return (CUBE_SIDE * (rng.random((num_points, 3)) - 0.5)).astype(np.float16)


def sample_near_surface(
    vertices: Float[np.ndarray, "V 3"],
    faces: Int[np.ndarray, "F 3"],
    num_points: int,
    sigma: float,
    rng: np.random.Generator,
) -> Float[np.ndarray, "N 3"]:
    """Surface points plus Gaussian noise of standard deviation sigma, in float16 as stored."""
    points = sample_surface(vertices, faces, num_points, rng).points(vertices, faces)
    return (points + rng.normal(0.0, sigma, points.shape)).astype(np.float16)


def label_points(
    vertices: Float[np.ndarray, "V 3"],
    faces: Int[np.ndarray, "F 3"],
    points: Float[np.ndarray, "N 3"],
) -> Bool[np.ndarray, "N"]:
    """Whether each point lies inside the body, which it also does where limbs overlap.

    The points must be those that are stored, after the cast to float16.
    """
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    inside = ((points >= low) & (points <= high)).all(axis=1)  # most of the cube is far away
    inside[inside] = points_inside_mesh(points[inside], vertices, faces)
    return inside
