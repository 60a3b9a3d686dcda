"""A limb that bends, seen as clouds of other points in every frame: its motion is written down."""

import numpy as np
import trimesh

from im2mesh.meshing.mesh import Mesh

NUM_POINTS = 300
TIMES = np.linspace(0, 1, 9)


def limb() -> Mesh:
    """A limb of length 1 along y, wider than deep and with two bulges, so that turns show."""
    mesh = trimesh.creation.capsule(height=0.8, radius=0.1, count=[24, 24]).subdivide_to_size(0.03)
    x, z, y = (mesh.vertices - mesh.bounds.mean(0)).T
    wide = 1 + 0.4 * np.sin(10 * y)
    vertices = np.stack([1.5 * wide * x, y, wide * z], 1)
    return Mesh(vertices.astype(np.float32), mesh.faces[:, ::-1].astype(np.int32))


def bent(points: np.ndarray, t: float) -> np.ndarray:
    """The upper half turns about z by up to half a radian, and all of it moves along x."""
    angle = 0.5 * t * np.clip(points[:, 1] / 0.4, 0, 1)
    (x, y, z), sin, cos = points.T, np.sin(angle), np.cos(angle)
    return np.stack([x * cos - y * sin + 0.1 * t, x * sin + y * cos, z], 1)


def observe(surface: Mesh, times: np.ndarray, seed: int = 0, count: int = NUM_POINTS) -> list:
    """Other points of the bent surface at every time, with noise."""
    rng = np.random.default_rng(seed)
    mesh = trimesh.Trimesh(surface.vertices, surface.faces, process=False)
    clouds = []
    for k, t in enumerate(times):
        points = trimesh.sample.sample_surface(mesh, count, seed=seed * 1000 + k)[0]
        clouds.append(bent(points, t) + rng.normal(0, 0.001, points.shape))
    return [cloud.astype(np.float32) for cloud in clouds]


def errors(vertices: np.ndarray, surface: Mesh, times: np.ndarray) -> np.ndarray:
    """Mean distance of vertices to where they should be, per frame."""
    true = np.stack([bent(surface.vertices, t) for t in times])
    return np.linalg.norm(vertices - true, axis=-1).mean(1)
