"""Both libraries give the same surface, triangle by triangle."""

import numpy as np
import pytest

from im2mesh.meshing import extraction, marching_cubes
from im2mesh.meshing.extraction import extract_surface
from im2mesh.meshing.marching_cubes import marching_cubes_by_libigl


def triangles(vertices, faces) -> list:
    """In an order that depends on positions alone; the winding stays."""
    corners = vertices[faces].round(6) + 0.0
    first = [min(range(3), key=lambda i, t=t: tuple(t[i])) for t in corners]
    turned = [np.roll(t, -i, axis=0).ravel().tolist() for t, i in zip(corners, first, strict=True)]
    return sorted(turned)


def ball(points):
    return 0.4 - np.linalg.norm(points, axis=-1)


def wavy(points):
    return ball(points) + 0.05 * np.sin(20 * points).prod(-1)


def box(size: int, function) -> np.ndarray:
    axis = np.linspace(-0.5, 0.5, size)
    return function(np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1)).astype(np.float32)


VOLUMES = {
    "ball": box(24, ball),
    "wavy": box(33, wavy),
    "noise": np.random.default_rng(0).normal(size=(9, 11, 13)).astype(np.float32),
    "on the lattice": np.pad(np.zeros((2, 2, 2)), 2, constant_values=-1.0),
    "outside": -np.ones((4, 4, 4)),
    "inside": np.ones((4, 4, 4)),
}


@pytest.mark.parametrize("name", VOLUMES)
def test_libigl_gives_the_triangles_of_pymcubes(name):
    if marching_cubes.mcubes is None:
        pytest.skip("PyMCubes has no binary for this Python")
    ours, theirs = (
        f(VOLUMES[name]) for f in (marching_cubes_by_libigl, marching_cubes.marching_cubes)
    )
    assert len(ours[0]) == len(theirs[0]) and len(ours[1]) == len(theirs[1])
    assert triangles(*ours) == triangles(*theirs)


def test_without_pymcubes_the_surface_is_closed_and_looks_outwards(monkeypatch):
    monkeypatch.setattr(marching_cubes, "mcubes", None)
    vertices, faces = marching_cubes.marching_cubes(VOLUMES["wavy"])
    edges = {(a, b) for f in faces.tolist() for a, b in zip(f, f[1:] + f[:1], strict=True)}
    assert len(edges) == 3 * len(faces) and edges == {(b, a) for a, b in edges}
    corners = vertices[faces] - 16.0
    volume = np.linalg.det(corners).sum() / 6 / 32**3
    assert volume == pytest.approx(4 / 3 * np.pi * 0.4**3, rel=0.02)


def test_extraction_works_without_pymcubes(monkeypatch):
    def logits(points):
        return 50 * (0.4 - points.norm(dim=1))

    with_it = extract_surface(logits, resolution=8, upsampling_steps=1)
    monkeypatch.setattr(marching_cubes, "mcubes", None)
    without = extract_surface(logits, resolution=8, upsampling_steps=1)
    assert extraction.marching_cubes is marching_cubes.marching_cubes
    assert triangles(with_it.vertices, with_it.faces) == triangles(without.vertices, without.faces)
