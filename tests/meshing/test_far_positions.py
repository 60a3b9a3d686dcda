"""Positions far from 0 for their size (maps, millimetres of a hall) are kept in every format."""

import struct
import warnings

import numpy as np
import pytest
import trimesh

from im2mesh.errors import Advice
from im2mesh.meshing.frame_meshes import FrameMeshes, load_reconstruction
from im2mesh.meshing.io import MESH_FORMATS, numbered_meshes, read_mesh, write_mesh
from im2mesh.meshing.mesh import Mesh
from im2mesh.meshing.mesh_sequence import MeshSequence

PLACES = {
    "map": (np.array([500_000.0, 30.0, 5_400_000.0]), 0.6),
    "millimetres": (np.array([1e6, -2e6, 3e6]), 600.0),
    "small and near": (np.array([3.0, 4.0, 5.0]), 1e-4),
}
TIMES = np.linspace(0, 1, 3)


@pytest.fixture(params=PLACES)
def place(request):
    return PLACES[request.param]


def ball():
    sphere = trimesh.creation.icosphere(2, 0.5)
    return np.array(sphere.vertices, np.float32), np.array(sphere.faces, np.int32)


def world(place, shift=0.0):
    loc, scale = place
    return loc + scale * (ball()[0].astype(np.float64) + shift)


def read_all(folder):
    return [read_mesh(path).vertices for path in numbered_meshes(folder)]


def assert_near(found, expected, place):
    """To a millionth of the size; steps of float32 are 0.01 to 1 sizes at these places."""
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == np.float64
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-6 * place[1])


@pytest.mark.parametrize("format", MESH_FORMATS)
@pytest.mark.parametrize("colored", [False, True])
def test_a_mesh_far_from_0_comes_back(tmp_path, format, place, colored):
    vertices, faces = world(place), ball()[1]
    colors = np.full(vertices.shape, 200, np.uint8) if colored else None
    write_mesh(tmp_path / f"a.{format}", vertices, faces, colors)
    mesh = read_mesh(tmp_path / f"a.{format}")
    assert_near([mesh.vertices], [vertices], place)
    np.testing.assert_array_equal(mesh.faces, faces)
    assert (mesh.colors is None) == (colors is None)


@pytest.mark.parametrize("format", ["ply", "off", "obj"])
def test_it_comes_back_exactly_where_the_format_has_the_digits(tmp_path, format, place):
    for number, vertices in enumerate((world(place), world(place).astype(np.float32))):
        write_mesh(tmp_path / f"{number}.{format}", vertices, ball()[1])
        back = read_mesh(tmp_path / f"{number}.{format}").vertices
        np.testing.assert_array_equal(back, vertices)


@pytest.mark.parametrize("format", MESH_FORMATS)
def test_other_programs_read_it_at_its_place(tmp_path, format, place):
    write_mesh(tmp_path / f"a.{format}", world(place), ball()[1])
    scene = trimesh.load_scene(tmp_path / f"a.{format}", process=False)
    found = scene.to_geometry().vertices
    np.testing.assert_allclose(found, world(place), rtol=0, atol=1e-6 * place[1])


@pytest.mark.parametrize("format", ["ply", "off", "obj", "npz"])
@pytest.mark.parametrize("corresponds", [True, False])
def test_a_sequence_in_the_world_comes_back(tmp_path, format, place, corresponds):
    vertices, faces = ball()
    frames = np.stack([vertices + np.float32(0.01 * k) for k in range(3)])
    meshes = MeshSequence(faces, frames, TIMES, None, *place)
    if not corresponds:
        meshes = FrameMeshes(tuple(meshes.meshes), TIMES, None, *place)
    expected = [world(place, 0.01 * k) for k in range(3)]
    assert_near([mesh.vertices for mesh in meshes.in_world().meshes], expected, place)
    if format == "npz":
        meshes.in_world().save(tmp_path / "a.npz")
        again = load_reconstruction(tmp_path / "a.npz")
        assert_near([mesh.vertices for mesh in again.meshes], expected, place)
    else:
        meshes.in_world().save(tmp_path / "a", format)
        assert_near(read_all(tmp_path / "a"), expected, place)


@pytest.mark.parametrize("format", ["ply", "off", "obj", "npz"])
def test_meshes_around_0_stay_as_small_as_they_were(tmp_path, format):
    """Of the digits of float32, whatever type they come in."""
    near = MeshSequence(ball()[1], np.stack([ball()[0]] * 3), TIMES)
    doubled = MeshSequence(near.faces, near.vertices.astype(np.float64), TIMES)
    for name, meshes in (("near", near), ("doubled", doubled)):
        meshes.save(tmp_path / f"{name}.npz" if format == "npz" else tmp_path / name, format)
    files = [
        sorted(tmp_path.glob(f"{name}.npz" if format == "npz" else f"{name}/*.{format}"))
        for name in ("near", "doubled")
    ]
    assert len(files[0]) == (1 if format == "npz" else 3)
    assert [path.stat().st_size for path in files[0]] == [path.stat().st_size for path in files[1]]


def test_whole_numbers_far_from_0_are_read(tmp_path):
    """Millimetres, as int in PLY."""
    header = b"ply\nformat binary_little_endian 1.0\nelement vertex 3\nproperty int x\n"
    header += b"property int y\nproperty int z\nend_header\n"
    rows = [(500_000_001, 30_000, 1), (500_000_002, 30_001, 2), (500_000_003, 30_002, 4)]
    body = b"".join(struct.pack("<3i", *row) for row in rows)
    (tmp_path / "a.ply").write_bytes(header + body)
    np.testing.assert_array_equal(read_mesh(tmp_path / "a.ply").vertices, rows)


def test_a_file_whose_float32_is_too_coarse_is_told(tmp_path):
    vertices = world(PLACES["map"])
    sphere = trimesh.Trimesh(vertices, ball()[1], process=False)
    sphere.export(tmp_path / "a.ply")  # trimesh writes float32
    with pytest.warns(Advice, match=r"a\.ply: its positions are float32 .* in steps of 0\.5"):
        read_mesh(tmp_path / "a.ply")
    write_mesh(tmp_path / "b.ply", vertices, ball()[1])
    write_mesh(tmp_path / "c.ply", Mesh.of_points(ball()[0] + 30).vertices, ball()[1])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_mesh(tmp_path / "b.ply")
        read_mesh(tmp_path / "c.ply")


@pytest.mark.parametrize("huge", ["1e39", "-1e300", "inf", "nan"])
def test_positions_beyond_float32_are_refused(tmp_path, huge):
    (tmp_path / "a.obj").write_text(f"v 0 0 {huge}\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    with pytest.raises(ValueError, match="NaN, infinite or too large for float32"):
        read_mesh(tmp_path / "a.obj")
