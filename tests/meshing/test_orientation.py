"""Faces that look into the body are found and turned; cavities and open sheets stay."""

import numpy as np
import pytest
import trimesh

from im2mesh.meshing.mesh import Mesh
from im2mesh.meshing.orientation import face_outwards

SOLID = 4 / 3 * np.pi * 0.3**3


def ball(radius: float = 0.3, x: float = 0.0, inwards: bool = False) -> Mesh:
    sphere = trimesh.creation.icosphere(3, radius)
    faces = np.array(sphere.faces, np.int32)
    vertices = np.array(sphere.vertices) + np.array([x, 0.0, 0.0])
    return Mesh(vertices, faces[:, ::-1] if inwards else faces)


def together(*meshes: Mesh) -> Mesh:
    starts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes)])
    faces = [mesh.faces + start for mesh, start in zip(meshes, starts, strict=False)]
    return Mesh(np.concatenate([mesh.vertices for mesh in meshes]), np.concatenate(faces))


def volume(mesh: Mesh) -> float:
    return trimesh.Trimesh(mesh.vertices, mesh.faces, process=False).volume


def soup(mesh: Mesh) -> Mesh:
    """No two faces share a vertex, as in STL files."""
    corners = mesh.vertices[mesh.faces].reshape(-1, 3)
    return Mesh(corners, np.arange(len(corners), dtype=np.int32).reshape(-1, 3))


def rounded_soup(mesh: Mesh) -> Mesh:
    """Corners that should be one lie up to 1e-5 apart."""
    apart = soup(mesh)
    noise = np.random.default_rng(0).uniform(-5e-6, 5e-6, apart.vertices.shape)
    return Mesh(apart.vertices + noise, apart.faces)


def exploded(mesh: Mesh) -> Mesh:
    """Each triangle has shrunk a little, so that nothing connects them."""
    corners = mesh.vertices[mesh.faces]
    corners = corners + 0.1 * (corners.mean(1, keepdims=True) - corners)
    return soup(Mesh(corners.reshape(-1, 3), np.arange(3 * len(corners)).reshape(-1, 3)))


def with_hole(mesh: Mesh) -> Mesh:
    return Mesh(mesh.vertices, mesh.faces[100:])


def with_thin_faces(mesh: Mesh) -> Mesh:
    """Some name a vertex twice."""
    return Mesh(mesh.vertices, np.concatenate([mesh.faces, np.int32([[0, 0, 1], [2, 2, 2]])]))


@pytest.mark.parametrize("place", [(0, 0, 0), (500_000, 30, 5_400_000)])
@pytest.mark.parametrize("change", [None, soup, rounded_soup, exploded, with_hole, with_thin_faces])
def test_an_inside_out_ball_is_turned(change, place):
    outwards, inwards = ball(), ball(inwards=True)
    if change is not None:
        outwards, inwards = change(outwards), change(inwards)
    mesh, found = face_outwards(Mesh(inwards.vertices + np.array(place), inwards.faces))
    assert found == "is inside out and was turned"
    assert 0.7 * SOLID < volume(Mesh(mesh.vertices - np.array(place), mesh.faces)) < SOLID
    as_it_is, found = face_outwards(outwards)
    assert found is None and as_it_is is outwards


def test_pieces_are_judged_one_by_one():
    mesh, found = face_outwards(together(ball(), ball(0.1, x=1.0, inwards=True)))
    assert found == "has 1280 of 2560 faces that look inwards, which were turned"
    assert volume(mesh) == pytest.approx(volume(ball()) + volume(ball(0.1)))
    mesh, _ = face_outwards(together(ball(0.1, x=1.0), ball(inwards=True)))
    assert volume(mesh) == pytest.approx(volume(ball()) + volume(ball(0.1)))
    mesh, found = face_outwards(together(ball(inwards=True), ball(x=0.3, inwards=True)))
    assert found == "is inside out and was turned"  # though they overlap
    assert volume(mesh) == pytest.approx(2 * volume(ball()))


def test_the_wall_of_a_cavity_looks_into_it():
    hollow = together(ball(), ball(0.1, inwards=True))
    assert face_outwards(hollow) == (hollow, None)
    mesh, found = face_outwards(together(ball(inwards=True), ball(0.1)))
    assert found == "is inside out and was turned"
    assert volume(mesh) == pytest.approx(volume(hollow))


@pytest.mark.parametrize("every", [2, 3, 13])
def test_neighbours_that_disagree_are_turned(every):
    faces = ball().faces.copy()
    faces[::every] = faces[::every, ::-1]
    mesh, found = face_outwards(Mesh(ball().vertices, faces))
    assert found == f"has {len(faces[::every])} of 1280 faces that look inwards, which were turned"
    assert volume(mesh) == pytest.approx(volume(ball()))


def test_unconnected_faces_that_disagree_are_turned():
    faces = ball().faces.copy()
    faces[::3] = faces[::3, ::-1]
    mesh, found = face_outwards(rounded_soup(Mesh(ball().vertices, faces)))
    assert found == "has 427 of 1280 faces that look inwards, which were turned"
    assert volume(mesh) == pytest.approx(volume(ball()), rel=1e-3)


def test_a_position_far_off_does_not_join_those_of_a_body():
    apart = rounded_soup(ball(inwards=True))
    speck = soup(Mesh(1e5 + np.eye(3), np.array([[0, 1, 2]], np.int32)))
    mesh, found = face_outwards(together(apart, speck))
    assert found == "has 1280 of 1281 faces that look inwards, which were turned"
    assert volume(Mesh(mesh.vertices, mesh.faces[:-1])) == pytest.approx(volume(ball()), rel=1e-3)


@pytest.mark.parametrize("change", [None, soup])
def test_of_faces_that_look_both_ways_one_is_kept(change):
    faces = np.concatenate([ball().faces, ball(inwards=True).faces])
    double = Mesh(ball().vertices, faces)
    mesh, found = face_outwards(double if change is None else change(double))
    assert found == "has each face twice, looking both ways, and one of each was kept"
    assert volume(mesh) == pytest.approx(volume(ball()))


def test_what_has_no_inside_is_left_alone():
    sheet = Mesh(np.eye(3), np.array([[0, 1, 2]], np.int32))
    upside_down = Mesh(np.eye(3), np.array([[2, 1, 0]], np.int32))
    collapsed = Mesh(np.ones((3, 3)), np.array([[0, 1, 2]], np.int32))
    for mesh in (sheet, upside_down, collapsed, Mesh.of_points(np.eye(3))):
        assert face_outwards(mesh) == (mesh, None)
