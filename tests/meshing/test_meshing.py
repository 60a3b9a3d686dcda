"""Ball in, radius and watertight mesh out; what is written comes back exactly."""

import json
import time

import numpy as np
import pytest
import torch
import trimesh

from im2mesh.errors import UserError
from im2mesh.meshing.containment import points_inside_mesh
from im2mesh.meshing.extraction import extract_surface, probability_to_logit
from im2mesh.meshing.frame_meshes import FrameMeshes
from im2mesh.meshing.io import (
    MESH_FORMATS,
    numbered_meshes,
    read_mesh,
    write_mesh,
    write_numbered_meshes,
)
from im2mesh.meshing.mesh import Mesh
from im2mesh.meshing.mesh_sequence import MeshSequence
from im2mesh.meshing.normals import vertex_normals
from im2mesh.meshing.refinement import refine_vertices
from im2mesh.meshing.simplification import simplify_mesh
from tests.readers import glb_chunks

LEVEL = probability_to_logit(0.3)


def ball_logits(radius=0.4, center=(0.0, 0.0, 0.0)):
    """A distance-like function that crosses the level of threshold 0.3 at the given radius."""
    center = torch.tensor(center, dtype=torch.float32)
    return lambda p: LEVEL + 10.0 * (radius - (p - center).norm(dim=-1))


def read_all(folder):
    return [read_mesh(path) for path in numbered_meshes(folder)]


def icosphere(subdivisions=3, radius=0.4):
    ball = trimesh.creation.icosphere(subdivisions=subdivisions, radius=radius)
    return np.array(ball.vertices, np.float32), np.array(ball.faces, np.int32)


def drifting_ball(num_frames=3):
    vertices, faces = icosphere(2)
    frames = np.stack([vertices + np.float32([0.01 * k, 0, 0]) for k in range(num_frames)])
    return MeshSequence(faces=faces, vertices=frames, times=np.linspace(0, 1, num_frames))


def as_trimesh(surface):
    return trimesh.Trimesh(surface.vertices, surface.faces, process=False)


def test_ball_is_closed_and_outward_and_in_place():
    surface = extract_surface(ball_logits(center=(0.03, -0.02, 0.01)), resolution=16)
    radius = np.linalg.norm(surface.vertices - np.float32([0.03, -0.02, 0.01]), axis=1)
    assert abs(radius.mean() - 0.4) < 0.05 * surface.voxel_size
    mesh = as_trimesh(surface)
    assert mesh.is_watertight
    assert mesh.volume == pytest.approx(4 / 3 * np.pi * 0.4**3, rel=0.01)  # positive: outward


def smooth_shape(p):
    """Two blended balls with a wavy surface."""
    a = (p - torch.tensor([0.15, 0.0, 0.0])).norm(dim=-1)
    b = (p + torch.tensor([0.15, 0.1, 0.0])).norm(dim=-1)
    return 40 * (torch.exp(-8 * a**2) + torch.exp(-8 * b**2) - 1 + 0.1 * torch.sin(9 * p[:, 1]))


def test_coarse_to_fine_equals_dense_with_far_fewer_evaluations():
    fine = extract_surface(smooth_shape, resolution=16, upsampling_steps=2)
    dense = extract_surface(smooth_shape, resolution=64, upsampling_steps=0)
    assert dense.num_evaluations == 65**3
    assert fine.num_evaluations < 0.1 * dense.num_evaluations
    np.testing.assert_array_equal(fine.faces, dense.faces)
    np.testing.assert_array_equal(fine.vertices, dense.vertices)


def test_refinement_follows_the_surface_into_cells_whose_corners_agree():
    """A thin rod is seen only where a ball holds it; the rest is found by following it."""

    def ball_with_rod(p):
        rod = 0.02 - p[:, 1:].sub(0.03).norm(dim=-1).maximum(p[:, 0].abs() - 0.45)
        return LEVEL + 10 * torch.maximum(0.15 - p.norm(dim=-1), rod)

    fine = extract_surface(ball_with_rod, resolution=8, upsampling_steps=3)
    dense = extract_surface(ball_with_rod, resolution=64, upsampling_steps=0)
    assert dense.vertices[:, 0].max() > 0.4
    np.testing.assert_array_equal(fine.vertices, dense.vertices)


def test_surface_that_leaves_the_box_is_closed():
    surface = extract_surface(ball_logits(radius=0.7), resolution=8, upsampling_steps=1)
    assert as_trimesh(surface).is_watertight
    assert np.abs(surface.vertices).max() == pytest.approx(0.55, abs=1e-4)


def test_noise_gives_a_closed_surface():
    """Marching cubes decides ambiguous cells alike on both sides."""
    generator = torch.Generator().manual_seed(0)
    surface = extract_surface(
        lambda p: torch.randn(len(p), generator=generator), resolution=12, upsampling_steps=1
    )
    assert as_trimesh(surface).is_watertight


def test_empty_level_set_gives_an_empty_mesh():
    surface = extract_surface(lambda p: torch.full_like(p[:, 0], -9.0), resolution=4)
    assert surface.vertices.shape == (0, 3) and surface.faces.shape == (0, 3)
    assert surface.num_evaluations == 5**3


@pytest.mark.parametrize(
    "bad", [{"threshold": 0.0}, {"threshold": 1.0}, {"resolution": 0}, {"upsampling_steps": -1},
            {"padding": -1.0}, {"batch_points": 0}],
)  # fmt: skip
def test_extraction_refuses_bad_settings(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        extract_surface(ball_logits(), **bad)


def test_extraction_refuses_wrong_or_broken_values():
    with pytest.raises(ValueError, match="not finite"):
        extract_surface(lambda p: p[:, 0] / 0.0, resolution=2)
    with pytest.raises(ValueError, match="must return"):
        extract_surface(lambda p: p, resolution=2)


def test_batches_do_not_matter():
    one = extract_surface(ball_logits(), resolution=8, upsampling_steps=1)
    many = extract_surface(ball_logits(), resolution=8, upsampling_steps=1, batch_points=100)
    np.testing.assert_array_equal(one.vertices, many.vertices)


def test_refinement_moves_vertices_onto_the_level_set():
    surface = extract_surface(smooth_shape, resolution=16, upsampling_steps=0)
    with torch.no_grad():
        refined = refine_vertices(smooth_shape, surface.vertices, voxel_size=surface.voxel_size)

    def residual(vertices):
        return (smooth_shape(torch.from_numpy(vertices)) - LEVEL).abs()

    before, after = residual(surface.vertices), residual(refined)
    assert (after <= before).all()
    assert after.max() < 0.01 * before.max()
    assert np.linalg.norm(refined - surface.vertices, axis=1).max() < surface.voxel_size
    moved = trimesh.Trimesh(refined, surface.faces, process=False)
    assert moved.is_watertight and moved.volume > 0


def test_refinement_needs_gradients():
    blind = torch.no_grad()(ball_logits())
    with pytest.raises(ValueError, match="without a gradient"):
        refine_vertices(blind, icosphere(1)[0], voxel_size=0.1)


def test_vertex_normals_of_a_ball_point_outwards():
    vertices, faces = icosphere(3)
    frames = np.stack([vertices, 2 * vertices[:, [1, 2, 0]]])
    normals = vertex_normals(frames, faces)
    expected = frames / np.linalg.norm(frames, axis=-1, keepdims=True)
    assert normals.dtype == np.float32
    assert (normals * expected).sum(-1).min() > 0.999


def test_simplified_ball_stays_a_closed_ball():
    vertices, faces = icosphere(4)
    few_vertices, few_faces = simplify_mesh(vertices, faces, 500)
    mesh = trimesh.Trimesh(few_vertices, few_faces, process=False)
    assert 400 <= len(few_faces) <= 500 and mesh.is_watertight
    assert len(np.unique(few_faces)) == len(few_vertices)
    assert mesh.volume == pytest.approx(4 / 3 * np.pi * 0.4**3, rel=0.05)


def test_simplification_limits():
    vertices, faces = icosphere(1)
    with pytest.raises(ValueError, match="at least 4"):
        simplify_mesh(vertices, faces, 3)
    same_vertices, same_faces = simplify_mesh(vertices, faces, len(faces) + 10)
    np.testing.assert_array_equal(same_vertices, vertices)
    np.testing.assert_array_equal(same_faces, faces)
    tetrahedron = trimesh.Trimesh(*simplify_mesh(vertices, faces, 4), process=False)
    assert tetrahedron.is_watertight and len(tetrahedron.faces) <= 8


def test_points_inside_a_ball():
    vertices, faces = icosphere(4)
    points = np.random.default_rng(0).uniform(-0.55, 0.55, (5000, 3)).astype(np.float32)
    radius = np.linalg.norm(points, axis=1)
    clear = np.abs(radius - 0.4) > 0.005  # the polyhedron lies a little inside the sphere
    inside = points_inside_mesh(points, vertices, faces)
    np.testing.assert_array_equal(inside[clear], radius[clear] < 0.4)


def test_points_inside_overlapping_balls():
    """In the overlap the winding number is 2; counting ray crossings would say outside."""
    vertices, faces = icosphere(4, radius=0.3)
    shift = np.float32([0.2, 0, 0])
    both = np.concatenate([vertices - shift, vertices + shift])
    faces = np.concatenate([faces, faces + len(vertices)])
    points = np.random.default_rng(0).uniform(-0.55, 0.55, (5000, 3)).astype(np.float32)
    distance = np.minimum(*(np.linalg.norm(points - s, axis=1) for s in (shift, -shift)))
    clear = np.abs(distance - 0.3) > 0.005
    inside = points_inside_mesh(points, both, faces)
    np.testing.assert_array_equal(inside[clear], distance[clear] < 0.3)


def test_nothing_is_inside_an_empty_mesh():
    none = np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32)
    assert not points_inside_mesh(np.zeros((4, 3), np.float32), *none).any()
    assert points_inside_mesh(np.zeros((0, 3), np.float32), *icosphere(1)).shape == (0,)


def test_containment_refuses_bad_points(without_shape_checks):
    with pytest.raises(ValueError, match=r"points must have shape \[N, 3\], got \[4, 2\]"):
        points_inside_mesh(np.zeros((4, 2), np.float32), *icosphere(1))
    with pytest.raises(ValueError, match="points must be finite"):
        points_inside_mesh(np.full((4, 3), np.nan, np.float32), *icosphere(1))


@pytest.mark.parametrize("format", MESH_FORMATS)
@pytest.mark.parametrize("colored", [False, True])
def test_mesh_comes_back_exactly(tmp_path, format, colored):
    vertices, faces = icosphere(3, radius=np.pi / 7)
    faces = faces[::-1].copy()
    colors = np.random.default_rng(0).integers(0, 256, vertices.shape).astype(np.uint8)
    path = tmp_path / f"a.{format}"
    write_mesh(path, vertices, faces, colors if colored else None)
    mesh = read_mesh(path)
    np.testing.assert_array_equal(mesh.vertices, vertices)
    np.testing.assert_array_equal(mesh.faces, faces)
    if colored:
        np.testing.assert_array_equal(mesh.colors, colors)
    else:
        assert mesh.colors is None


@pytest.mark.parametrize("format", MESH_FORMATS)
def test_other_programs_read_our_files(tmp_path, format):
    """Exactly: positions, faces, colours, and normals where the format has them.

    Trimesh reads no colours of OFF, and forgets normals, so these are taken from the files.
    """
    vertices, faces = icosphere(2)
    colors = np.random.default_rng(0).integers(0, 256, vertices.shape).astype(np.uint8)
    normals = np.full_like(vertices, [0.6, 0.0, 0.8])  # other than those of the faces
    write_mesh(tmp_path / f"a.{format}", vertices, faces, colors, normals)
    mesh = trimesh.load_mesh(tmp_path / f"a.{format}", process=False)
    np.testing.assert_array_equal(mesh.vertices.astype(np.float32), vertices)
    np.testing.assert_array_equal(mesh.faces, faces)
    if format == "off":
        rows = np.loadtxt(tmp_path / "a.off", skiprows=2, max_rows=len(vertices))
        np.testing.assert_array_equal(rows[:, 3:6], colors)
    else:
        np.testing.assert_array_equal(mesh.visual.vertex_colors[:, :3], colors)
    if format == "ply":
        rows = mesh.metadata["_ply_raw"]["vertex"]["data"]
        found = np.stack([rows[name] for name in ("nx", "ny", "nz")], axis=-1).reshape(-1, 3)
        np.testing.assert_array_equal(found, normals)
    if format == "glb":
        document, binary = glb_chunks((tmp_path / "a.glb").read_bytes())
        content = json.loads(document)
        number = content["meshes"][0]["primitives"][0]["attributes"]["NORMAL"]
        view = content["bufferViews"][content["accessors"][number]["bufferView"]]
        found = np.frombuffer(binary, "<f4", 3 * len(vertices), view["byteOffset"])
        np.testing.assert_allclose(found.reshape(-1, 3), normals, atol=1e-6)


@pytest.mark.parametrize("format", ["ply", "off", "obj"])
@pytest.mark.parametrize("corresponds", [True, False])
def test_other_programs_read_our_frames_in_order(tmp_path, format, corresponds):
    """Each frame in a file of its own, in the order of their times; points alone, too."""
    vertices, faces = icosphere(1)
    moved = np.stack([vertices + np.float32(k) for k in range(11)])
    meshes: MeshSequence | FrameMeshes = MeshSequence(faces, moved, np.linspace(0, 1, 11))
    if not corresponds:
        points = [Mesh.of_points(frame[: 9 + k]) for k, frame in enumerate(moved)]
        meshes = FrameMeshes(tuple(points), np.linspace(0, 1, 11))
    meshes.save(tmp_path, format=format)
    paths = sorted(tmp_path.glob(f"*.{format}"))
    assert len(paths) == 11
    for path, mesh in zip(paths, meshes.meshes, strict=True):
        if format == "off" and not corresponds:
            continue  # trimesh makes a mesh without faces of it, which it cannot show
        found = trimesh.load_scene(path, process=False).to_geometry()
        np.testing.assert_array_equal(found.vertices.astype(np.float32), mesh.vertices)
        if corresponds:
            np.testing.assert_array_equal(found.faces, mesh.faces)


@pytest.mark.parametrize("format", MESH_FORMATS)
def test_empty_mesh_comes_back_empty(tmp_path, format):
    write_mesh(tmp_path / f"a.{format}", np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))
    assert read_mesh(tmp_path / f"a.{format}").is_empty


@pytest.mark.parametrize("format", MESH_FORMATS)
def test_pointcloud_comes_back_exactly(tmp_path, format):
    points = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    write_mesh(tmp_path / f"a.{format}", points, np.zeros((0, 3), np.int32))
    np.testing.assert_array_equal(read_mesh(tmp_path / f"a.{format}").vertices, points)


def test_numbered_clouds_come_back_in_order(tmp_path):
    clouds = np.random.default_rng(0).normal(size=(3, 20, 3)).astype(np.float32)
    meshes = [Mesh.of_points(cloud) for cloud in clouds]
    paths = write_numbered_meshes(tmp_path, meshes)
    assert [p.name for p in paths] == ["00000.ply", "00001.ply", "00002.ply"]
    np.testing.assert_array_equal([m.vertices for m in read_all(tmp_path)], clouds)
    with pytest.raises(ValueError, match="choose one of"):
        write_numbered_meshes(tmp_path, meshes, format="xyz")
    assert len(read_all(tmp_path)) == 3  # nothing was removed for it


@pytest.mark.parametrize("encoding", ["ascii", "binary"])
def test_ply_of_other_programs_is_read(tmp_path, encoding):
    vertices, faces = icosphere(2)
    mesh = trimesh.Trimesh(vertices, faces, process=False)
    mesh.export(tmp_path / "a.ply", encoding=encoding, vertex_normal=True)
    back = read_mesh(tmp_path / "a.ply")
    np.testing.assert_allclose(back.vertices, vertices, atol=1e-6)
    np.testing.assert_array_equal(back.faces, faces)


def test_polygons_and_extra_columns_are_read(tmp_path):
    (tmp_path / "a.obj").write_text("v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nvt 0 0\nf 1/1 2/1 3/1 4/1")
    np.testing.assert_array_equal(read_mesh(tmp_path / "a.obj").faces, [[0, 1, 2], [0, 2, 3]])
    off = "OFF\n# a comment\n4 2 0\n0 0 0\n1 0 0\n1 1 0\n0 1 0\n4 0 1 2 3\n3 0 1 2 255 0 0\n"
    (tmp_path / "a.off").write_text(off)
    faces = read_mesh(tmp_path / "a.off").faces
    np.testing.assert_array_equal(faces, [[0, 1, 2], [0, 2, 3], [0, 1, 2]])


@pytest.mark.parametrize("format", MESH_FORMATS)
def test_broken_mesh_file_is_named(tmp_path, format):
    path = tmp_path / f"a.{format}"
    write_mesh(path, *icosphere(2))
    path.write_bytes(path.read_bytes()[:-200])
    if format == "obj":  # a cut text without counts can only be told by what is missing
        path.write_text("v 0 0 0\nf 1 2 3\n")
    with pytest.raises(ValueError, match=rf"a\.{format}: not a readable mesh"):
        read_mesh(path)
    path.write_bytes(b"")
    with pytest.raises(ValueError, match=rf"a\.{format}: not a readable mesh"):
        read_mesh(path)


def test_missing_or_unknown_mesh_file(tmp_path):
    with pytest.raises(UserError):
        read_mesh(tmp_path / "a.ply")
    with pytest.raises(
        ValueError, match="choose one of: ply, off, obj, glb, gltf, stl, xyz, pcd, las,"
    ):
        read_mesh(tmp_path / "a.vtk")


@pytest.mark.parametrize("format", ["ply", "off", "obj"])
def test_sequence_as_folder_of_meshes(tmp_path, format):
    sequence = drifting_ball()
    drifting_ball(5).save(tmp_path, format="off")  # an earlier, longer run in the same folder
    (tmp_path / "notes.txt").write_text("kept")
    sequence.save(tmp_path, format=format)
    meshes = read_all(tmp_path)
    assert len(meshes) == 3 and (tmp_path / "notes.txt").exists()
    for mesh, vertices in zip(meshes, sequence.vertices, strict=True):
        np.testing.assert_array_equal(mesh.vertices, vertices)
        np.testing.assert_array_equal(mesh.faces, sequence.faces)
        np.testing.assert_array_equal(mesh.colors, sequence.colors)


def test_numbered_meshes_sort_by_number_and_may_differ(tmp_path):
    for number, subdivisions in ((10, 2), (9, 1), (2, 0)):
        write_mesh(tmp_path / f"frame{number}.ply", *icosphere(subdivisions))
    assert [len(m.vertices) for m in read_all(tmp_path)] == [12, 42, 162]
    write_mesh(tmp_path / "frame9.off", *icosphere(1))
    with pytest.raises(ValueError, match="both frame 9"):
        read_all(tmp_path)


def test_sequence_as_one_file(tmp_path):
    sequence = drifting_ball()
    normals = vertex_normals(sequence.vertices, sequence.faces)
    sequence = MeshSequence(
        sequence.faces, sequence.vertices, sequence.times, normals, np.array([1.0, 2.0, 3.0]), 1.7
    )
    sequence.save(tmp_path / "deep" / "sequence.npz")
    back = MeshSequence.load(tmp_path / "deep" / "sequence.npz")
    for name in ("faces", "vertices", "times", "normals", "loc", "scale"):
        np.testing.assert_array_equal(getattr(back, name), getattr(sequence, name))
    world = back.in_world()
    np.testing.assert_allclose(world.vertices, [1, 2, 3] + 1.7 * sequence.vertices, rtol=1e-6)
    assert world.scale == 1.0 and not world.loc.any()


def test_empty_sequence_is_legal(tmp_path):
    none = np.zeros((2, 0, 3), np.float32)
    sequence = MeshSequence(np.zeros((0, 3), np.int32), none, np.array([0.0, 1.0]))
    sequence.save(tmp_path / "s.npz")
    sequence.save(tmp_path / "meshes")
    assert MeshSequence.load(tmp_path / "s.npz").is_empty
    assert [m.is_empty for m in read_all(tmp_path / "meshes")] == [True, True]


def test_bad_sequences_are_refused(tmp_path):
    vertices, faces = icosphere(0)
    frames = np.stack([vertices, vertices])
    with pytest.raises(ValueError, match="increase strictly"):
        MeshSequence(faces, frames, np.array([0.5, 0.5]))
    with pytest.raises((ValueError, TypeError)):  # TypeError: the shape check of the test run
        MeshSequence(faces, frames, np.array([0.0]))
    with pytest.raises(ValueError, match="there are 12 vertices"):
        MeshSequence(faces + 1, frames, np.array([0.0, 1.0]))
    with pytest.raises(UserError, match=r"run generate\.py first"):
        MeshSequence.load(tmp_path / "s.npz")
    (tmp_path / "s.npz").write_bytes(b"PK broken")
    with pytest.raises(ValueError, match=r"s\.npz: not a readable mesh sequence"):
        MeshSequence.load(tmp_path / "s.npz")


@pytest.mark.slow
def test_speed_of_files_and_extraction(tmp_path):
    """Guards against accidental loops over vertices, with a wide margin for busy machines."""
    start = time.perf_counter()
    extract_surface(ball_logits())
    assert time.perf_counter() - start < 3.0
    vertices, faces = icosphere(6)
    frames = np.stack([vertices] * 17)
    sequence = MeshSequence(faces, frames, np.linspace(0, 1, 17))
    start = time.perf_counter()
    sequence.save(tmp_path)
    assert time.perf_counter() - start < 2.0
