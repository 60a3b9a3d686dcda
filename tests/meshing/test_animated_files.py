"""An animated .glb holds all frames, plays anywhere, and replaces nothing of others."""

import json
import shutil
import subprocess

import numpy as np
import pytest

from im2mesh.data.frame_rate import window_seconds
from im2mesh.data.layout import Window
from im2mesh.errors import Advice, UserError
from im2mesh.meshing.formats.gltf.motion_basis import TOLERANCE, motion_basis
from im2mesh.meshing.formats.gltf.read_moving import read_moving_glb
from im2mesh.meshing.frame_meshes import FrameMeshes
from im2mesh.meshing.io import read_mesh
from im2mesh.meshing.mesh import Mesh
from im2mesh.meshing.mesh_sequence import MeshSequence
from tests.meshing.test_gltf import CORNERS, FACES, validator
from tests.readers import glb, glb_chunks

TIMES = np.linspace(0, 1, 6)


def moving_cube(wobble: float = 0.05) -> MeshSequence:
    """A cube that turns and drifts, and whose corners wobble, each in its own way."""
    rng = np.random.default_rng(0)
    angles = np.pi / 2 * TIMES
    turns = np.stack([[[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]]
                      for a in angles])  # fmt: skip
    corners = CORNERS.astype(np.float32) @ turns.transpose(0, 2, 1) + TIMES[:, None, None] / 2
    corners = corners + wobble * rng.normal(size=corners.shape)
    return MeshSequence(FACES.astype(np.int32), corners.astype(np.float32), TIMES)


def test_all_frames_come_back(tmp_path):
    meshes = moving_cube()
    meshes.save(tmp_path / "cube.glb", duration=0.5)
    back = MeshSequence.load(tmp_path / "cube.glb")
    np.testing.assert_array_equal(back.faces, meshes.faces)
    np.testing.assert_allclose(back.vertices, meshes.vertices, atol=2 * TOLERANCE)
    np.testing.assert_allclose(back.times, TIMES, atol=1e-6)
    np.testing.assert_allclose(read_moving_glb(tmp_path / "cube.glb").seconds, TIMES / 2, atol=1e-6)
    with pytest.warns(Advice, match=r"cube\.glb: its animation is not played"):
        still = read_mesh(tmp_path / "cube.glb")
    np.testing.assert_allclose(still.vertices, meshes.vertices[0], atol=1e-6)


def test_several_animations_are_no_sequence(tmp_path):
    path = tmp_path / "cube.glb"
    moving_cube().save(path)
    document, binary = glb_chunks(path.read_bytes())
    content = json.loads(document)
    content["animations"] = [{**content["animations"][0], "name": name} for name in ("walk", "run")]
    path.write_bytes(glb(json.dumps(content).encode(), binary))
    with pytest.raises(UserError, match=r"it has 2 animations \(walk, run\); export one"):
        MeshSequence.load(path)


def test_a_simple_motion_needs_few_targets():
    turning = moving_cube(wobble=0.0)
    basis = motion_basis(turning.vertices, None)
    assert basis.weights.shape == (6, 3)  # two of a turn, one of the drift
    assert np.abs(basis.weights).max() <= 1 and not basis.weights[0].any()
    moved = turning.vertices[0] + np.einsum("tk,kvc->tvc", basis.weights, basis.positions)
    np.testing.assert_allclose(moved, turning.vertices, atol=2 * TOLERANCE)


@pytest.mark.parametrize("wobble", [0.0, 0.05])
def test_weights_of_targets_lie_between_0_and_1(tmp_path, wobble):
    """Blender 4.5 sets aside others, though the standard allows them, and the body stands still."""
    cube = moving_cube(wobble)
    signed = motion_basis(cube.vertices, cube.vertices)
    positive = signed.with_positive_weights()
    assert signed.weights.min() < 0 <= positive.weights.min() and positive.weights.max() <= 1
    assert not positive.weights[0].any(), "the mesh without its targets is the first frame"
    assert len(positive.positions) == len(signed.positions) + 1
    for what in ("positions", "normals"):
        expected, moved = (
            np.einsum("tk,kvc->tvc", basis.weights, getattr(basis, what))
            for basis in (signed, positive)
        )
        np.testing.assert_allclose(moved, expected, atol=1e-5)
    cube.save(tmp_path / "cube.glb")
    content = json.loads(glb_chunks((tmp_path / "cube.glb").read_bytes())[0])
    output = content["accessors"][content["animations"][0]["samplers"][0]["output"]]
    assert output["min"] == [0] and output["max"] == [1]


def test_positions_far_from_0_keep_their_shape(tmp_path):
    near = moving_cube()
    far = MeshSequence(near.faces, near.vertices + np.array([5.4e6, 0, 4e5]), TIMES)
    far.save(tmp_path / "far.glb")
    back = MeshSequence.load(tmp_path / "far.glb")
    np.testing.assert_allclose(back.vertices, far.vertices, atol=2 * TOLERANCE)


def test_meshes_without_correspondence_become_a_flip_book(tmp_path):
    cube = moving_cube()
    nothing = Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))
    meshes = [cube.meshes[0], nothing, Mesh(cube.vertices[2], cube.faces[:5])]
    FrameMeshes(tuple(meshes), np.array([0.0, 0.5, 1.0])).save(tmp_path / "book", "glb", 2.0)
    moving = read_moving_glb(tmp_path / "book" / "sequence.glb")
    np.testing.assert_allclose(moving.seconds, [0, 1, 2])
    for found, mesh in zip(moving.meshes, meshes, strict=True):
        np.testing.assert_array_equal(found.faces, mesh.faces)
        np.testing.assert_allclose(found.vertices, mesh.vertices, atol=1e-6)
    with pytest.raises(UserError, match="faces of their own"):
        MeshSequence.load(tmp_path / "book" / "sequence.glb")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["mesh", "cloud", "single", "empty", "book", "far"])
def test_the_validator_finds_nothing(tmp_path, kind):
    command = validator()
    if command is None:
        pytest.skip("needs node and its package gltf-validator, found by NODE_PATH")
    cube, path = moving_cube(), tmp_path / "a.glb"
    none = np.zeros((0, 3), np.int32)
    made = {
        "mesh": cube,
        "cloud": MeshSequence(none, cube.vertices, TIMES),
        "single": MeshSequence(cube.faces, cube.vertices[:1], TIMES[:1]),
        "empty": MeshSequence(none, cube.vertices[:, :0], TIMES),
        "book": FrameMeshes(tuple(cube.meshes), TIMES),
        "far": MeshSequence(cube.faces, cube.vertices.astype(np.float64) + 1e6, TIMES),
    }
    made[kind].save(path)
    done = subprocess.run([*command, str(path)], capture_output=True, text=True, check=True)
    issues = json.loads(done.stdout)
    assert (issues["numErrors"], issues["numWarnings"]) == (0, 0), issues["messages"]


def test_files_of_others_stay(tmp_path):
    (tmp_path / "a.glb").write_bytes(b"mine")
    with pytest.raises(UserError, match=r"holds a\.glb, not noted as written by this program"):
        moving_cube().save(tmp_path / "a.glb")
    assert (tmp_path / "a.glb").read_bytes() == b"mine"
    moving_cube().save(tmp_path / "b.glb")
    shutil.copy(tmp_path / "b.glb", tmp_path / "c.glb")
    moving_cube().save(tmp_path / "b.glb")  # ours is replaced


def test_seconds_are_those_of_the_data(tmp_path):
    window = Window("bodies", "walk", 0, 17, 2)
    assert window_seconds(tmp_path, window) == pytest.approx(32 / 60)
    (tmp_path / "dataset.json").write_text('{"frames_per_second": 30}')
    assert window_seconds(tmp_path, window) == pytest.approx(32 / 30)
    (tmp_path / "bodies").mkdir()
    (tmp_path / "bodies" / "prepared.json").write_text('{"fps": 16}')
    assert window_seconds(tmp_path, window) == pytest.approx(2)
    with pytest.raises(ValueError, match="the duration must be a positive number of seconds"):
        moving_cube().save(tmp_path / "a.glb", duration=0.0)
