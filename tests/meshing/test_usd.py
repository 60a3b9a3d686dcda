"""An animated .usdc holds all frames exactly, is valid USD, and replaces nothing of others."""

import sys
from pathlib import Path

import numpy as np
import pytest

from im2mesh.errors import UserError
from im2mesh.meshing.formats.usd.read import usd_seconds
from im2mesh.meshing.formats.usd.timeline import timeline_of
from im2mesh.meshing.frame_meshes import FrameMeshes
from im2mesh.meshing.mesh import Mesh
from im2mesh.meshing.mesh_sequence import MeshSequence, read_moving
from im2mesh.meshing.normals import vertex_normals
from tests.meshing.test_animated_files import TIMES, moving_cube

pytest.importorskip("pxr", reason="needs usd-core, the extra usd")
from pxr import Gf, Sdf, Usd, UsdGeom, UsdValidation

NO_FACES = np.zeros((0, 3), np.int32)
UNEVEN = np.array([0.0, 0.2, 0.35, 0.6, np.sqrt(0.5), 1.0])


def book() -> FrameMeshes:
    """Equally many vertices in the first two frames, none in the third."""
    cube = moving_cube()
    nothing = Mesh(np.zeros((0, 3), np.float32), NO_FACES)
    meshes = (cube.meshes[0], Mesh(cube.vertices[3], cube.faces[:5]), nothing, cube.meshes[5])
    return FrameMeshes(meshes, np.array([0.0, 0.25, 0.5, 1.0]), loc=np.array([1.0, 2.0, 3.0]))


def save(tmp_path: Path, meshes: MeshSequence | FrameMeshes, duration: float = 0.5) -> Usd.Stage:
    """The file as any other program sees it."""
    meshes.save(tmp_path / "a.usdc", duration=duration)
    return Usd.Stage.Open(Sdf.Layer.OpenAsAnonymous(str(tmp_path / "a.usdc")))


def shape_of(stage: Usd.Stage, kind: str = "mesh") -> Usd.Prim:
    return stage.GetPrimAtPath(f"/sequence/{kind}")


def rows(prim: Usd.Prim, name: str, code: float) -> np.ndarray:
    return np.array(prim.GetAttribute(name).Get(code))


def test_all_frames_come_back_exactly(tmp_path):
    cube = moving_cube()
    meshes = MeshSequence(cube.faces, cube.vertices, TIMES, loc=np.array([1, 2, 3.5]), scale=1.75)
    meshes.save(tmp_path / "cube.usdc", duration=0.5)
    back = MeshSequence.load(tmp_path / "cube.usdc")
    np.testing.assert_array_equal(back.faces, meshes.faces)
    np.testing.assert_array_equal(back.vertices, meshes.vertices)
    np.testing.assert_allclose(back.times, TIMES, rtol=0, atol=1e-15)
    np.testing.assert_array_equal(back.loc, meshes.loc)
    assert back.scale == 1.75 and back.vertices.dtype == np.float32
    np.testing.assert_array_equal(
        read_moving(tmp_path / "cube.usdc").meshes[3].colors, meshes.colors
    )


def test_other_programs_see_a_mesh_that_moves(tmp_path):
    cube = moving_cube()
    stage = save(tmp_path, cube)
    prim = shape_of(stage)
    assert [str(one.GetPath()) for one in stage.Traverse()] == ["/sequence", "/sequence/mesh"]
    assert prim.GetTypeName() == "Mesh" and stage.GetDefaultPrim().GetName() == "sequence"
    np.testing.assert_array_equal(rows(prim, "faceVertexIndices", 0).reshape(-1, 3), cube.faces)
    assert set(rows(prim, "faceVertexCounts", 0)) == {3}
    assert prim.GetAttribute("faceVertexIndices").GetNumTimeSamples() == 0
    normals = vertex_normals(cube.vertices, cube.faces)
    for code, frame in enumerate(cube.vertices):
        np.testing.assert_array_equal(rows(prim, "points", code), frame)
        np.testing.assert_allclose(rows(prim, "normals", code), normals[code], atol=1e-6)
        box = [frame.min(0), frame.max(0)]
        np.testing.assert_array_equal(rows(prim, "extent", code), box)
    mesh = UsdGeom.Mesh(prim)
    assert mesh.GetSubdivisionSchemeAttr().Get() == "none"
    assert mesh.GetNormalsInterpolation() == "vertex"
    assert mesh.GetOrientationAttr().Get() == "rightHanded"


def test_units_are_those_of_gltf(tmp_path):
    stage = save(tmp_path, moving_cube())
    assert UsdGeom.GetStageMetersPerUnit(stage) == 1.0
    assert UsdGeom.GetStageUpAxis(stage) == "Y"


def test_colours_are_linear_light(tmp_path):
    cube = moving_cube()
    stage = save(tmp_path, cube)
    color = UsdGeom.Mesh(shape_of(stage)).GetDisplayColorPrimvar()
    assert color.GetInterpolation() == "vertex" and color.GetAttr().GetNumTimeSamples() == 0
    value = cube.colors[0, 0] / 255
    assert color.Get()[0][0] == pytest.approx(((value + 0.055) / 1.055) ** 2.4, abs=1e-6)


@pytest.mark.parametrize(
    ("seconds", "codes", "rate"),
    [
        (np.arange(17) / 60, np.arange(17), 60),
        (np.arange(6, dtype=np.float32).astype(np.float64) * np.float32(1 / 30), np.arange(6), 30),
        (np.array([0, 2, 3, 7]) / 12.5, [0, 2, 3, 7], 12.5),
        (UNEVEN, 60 * UNEVEN, 60),
        (np.zeros(1), [0], 60),
    ],
)
def test_frames_on_a_grid_have_whole_codes(seconds, codes, rate):
    timeline = timeline_of(seconds)
    np.testing.assert_array_equal(timeline.codes, codes)
    assert timeline.per_second == pytest.approx(rate, rel=1e-6)
    np.testing.assert_allclose(timeline.seconds, seconds, rtol=1e-6)


def test_uneven_times_are_kept(tmp_path):
    meshes = MeshSequence(moving_cube().faces, moving_cube().vertices, UNEVEN)
    stage = save(tmp_path, meshes, duration=2.0)
    np.testing.assert_allclose(usd_seconds(tmp_path / "a.usdc"), 2 * UNEVEN, rtol=1e-15)
    np.testing.assert_allclose(MeshSequence.load(tmp_path / "a.usdc").times, UNEVEN, rtol=1e-15)
    samples = np.array(shape_of(stage).GetAttribute("points").GetTimeSamples())
    np.testing.assert_allclose(samples / stage.GetTimeCodesPerSecond(), 2 * UNEVEN, rtol=1e-15)
    assert (stage.GetStartTimeCode(), stage.GetEndTimeCode()) == (0.0, samples[-1])


def test_positions_far_from_0_keep_their_shape(tmp_path):
    near = moving_cube()
    far = MeshSequence(near.faces, near.vertices + np.array([5.4e6, 0, 4e5]), TIMES)
    stage = save(tmp_path, far)
    np.testing.assert_allclose(
        MeshSequence.load(tmp_path / "a.usdc").vertices, far.vertices, atol=1e-6
    )
    placed = UsdGeom.Xformable(shape_of(stage)).ComputeLocalToWorldTransform(0)
    point = placed.Transform(Gf.Vec3d(*map(float, rows(shape_of(stage), "points", 2)[7])))
    np.testing.assert_allclose(point, far.vertices[2, 7], atol=1e-6)


def test_moving_points_are_points(tmp_path):
    cloud = MeshSequence(NO_FACES, moving_cube().vertices, TIMES)
    stage = save(tmp_path, cloud)
    prim = shape_of(stage, "points")
    assert prim.GetTypeName() == "Points"
    np.testing.assert_array_equal(rows(prim, "points", 4), cloud.vertices[4])
    radius = UsdGeom.Points(prim).GetWidthsAttr().Get()[0] / 2
    assert 0.005 < radius < 0.05
    box = [cloud.vertices[4].min(0) - radius, cloud.vertices[4].max(0) + radius]
    np.testing.assert_allclose(rows(prim, "extent", 4), box, atol=1e-6)
    back = MeshSequence.load(tmp_path / "a.usdc")
    np.testing.assert_array_equal(back.vertices, cloud.vertices)
    assert len(back.faces) == 0


def test_an_empty_sequence_comes_back(tmp_path):
    MeshSequence(NO_FACES, np.zeros((6, 0, 3), np.float32), TIMES).save(tmp_path / "a.usdc")
    back = MeshSequence.load(tmp_path / "a.usdc")
    assert back.vertices.shape == (6, 0, 3) and back.faces.shape == (0, 3)


def test_meshes_without_correspondence_become_a_flip_book(tmp_path):
    meshes = book()
    meshes.save(tmp_path / "book", "usd", 2.0)
    moving = read_moving(tmp_path / "book" / "sequence.usdc")
    np.testing.assert_allclose(moving.seconds, [0, 0.5, 1, 2])
    np.testing.assert_array_equal(moving.loc, meshes.loc)
    for found, mesh in zip(moving.meshes, meshes.meshes, strict=True):
        np.testing.assert_array_equal(found.faces, mesh.faces)
        np.testing.assert_array_equal(found.vertices, mesh.vertices)
    with pytest.raises(UserError, match="faces of their own"):
        MeshSequence.load(tmp_path / "book" / "sequence.usdc")


def test_frames_of_a_flip_book_are_not_blended(tmp_path):
    meshes = book()
    stage = save(tmp_path, meshes, duration=2.0)
    prim = shape_of(stage)
    for time, frame in ((0.0, 0), (0.75, 0), (1.0, 1), (1.5, 1), (2.5, 2), (4.0, 3)):
        expected = meshes.meshes[frame]
        np.testing.assert_array_equal(rows(prim, "points", time), expected.vertices)
        corners = np.array(prim.GetAttribute("faceVertexIndices").Get(time))
        np.testing.assert_array_equal(corners, expected.faces.ravel())
        assert len(rows(prim, "normals", time)) == len(expected.vertices)


@pytest.mark.parametrize("kind", ["mesh", "cloud", "single", "empty", "book", "far", "uneven"])
def test_the_validator_finds_nothing(tmp_path, kind):
    cube = moving_cube()
    made = {
        "mesh": cube,
        "cloud": MeshSequence(NO_FACES, cube.vertices, TIMES),
        "single": MeshSequence(cube.faces, cube.vertices[:1], TIMES[:1]),
        "empty": MeshSequence(NO_FACES, cube.vertices[:, :0], TIMES),
        "book": book(),
        "far": MeshSequence(cube.faces, cube.vertices.astype(np.float64) + 1e6, TIMES),
        "uneven": MeshSequence(cube.faces, cube.vertices, UNEVEN),
    }
    assert issues_of(save(tmp_path, made[kind])) == []


def issues_of(stage: Usd.Stage) -> list[str]:
    """What all validators of USD say."""
    validators = UsdValidation.ValidationRegistry().GetOrLoadAllValidators()
    assert len(validators) > 10
    found = UsdValidation.ValidationContext(validators).Validate(stage)
    return [f"{error.GetName()}: {error.GetMessage()}" for error in found]


def test_the_validator_finds_what_is_wrong(tmp_path):
    stage = save(tmp_path, moving_cube())
    stage.GetRootLayer().pseudoRoot.ClearInfo("upAxis")
    assert any("upAxis" in issue for issue in issues_of(stage))


def test_old_programs_can_read_it(tmp_path):
    """Version 0.8 of the binary form is that of 2019; USD raises it for newer kinds of values."""
    book().save(tmp_path / "a.usdc")
    assert (tmp_path / "a.usdc").read_bytes()[:11] == b"PXR-USDC\x00\x08\x00"


def test_files_of_others_stay(tmp_path):
    (tmp_path / "a.usdc").write_bytes(b"mine")
    with pytest.raises(UserError, match=r"holds a\.usdc, not noted as written by this program"):
        moving_cube().save(tmp_path / "a.usdc")
    assert (tmp_path / "a.usdc").read_bytes() == b"mine"
    moving_cube().save(tmp_path / "b.usdc")
    cube = moving_cube(wobble=0.0)
    cube.save(tmp_path / "b.usdc")  # ours is replaced
    np.testing.assert_array_equal(MeshSequence.load(tmp_path / "b.usdc").vertices, cube.vertices)


def test_a_folder_that_takes_no_file_is_named(tmp_path, monkeypatch):
    def nowhere(path: Path, *rest: object) -> Path:
        return Path("/proc/nowhere/a.usdc")

    monkeypatch.setattr(Path, "resolve", nowhere)
    with pytest.raises(UserError, match=r"a\.usdc cannot be written; free some space"):
        moving_cube().save(tmp_path / "a.usdc")


@pytest.mark.parametrize("content", [b"", b"mine", b"PXR-USDC" + bytes(200), b"#usda 1.0\n(\n"])
def test_damaged_files_are_named(tmp_path, content):
    (tmp_path / "a.usdc").write_bytes(content)
    with pytest.raises(
        UserError, match=r"a\.usdc: not a readable mesh sequence: it is no USD file"
    ):
        MeshSequence.load(tmp_path / "a.usdc")


def _turn(stage: Usd.Stage) -> None:
    UsdGeom.Xformable(shape_of(stage)).AddRotateXOp().Set(90.0)


def _add_a_mesh(stage: Usd.Stage) -> None:
    UsdGeom.Mesh.Define(stage, "/sequence/other")


def _refer(stage: Usd.Stage) -> None:
    shape_of(stage).GetReferences().AddReference("elsewhere.usda", "/body")


def _lie_below(stage: Usd.Stage) -> None:
    stage.GetRootLayer().subLayerPaths.append("elsewhere.usda")


def _hide(stage: Usd.Stage) -> None:
    shape_of(stage).SetActive(False)


def _forget(stage: Usd.Stage) -> None:
    stage.GetRootLayer().customLayerData = {}


def _use_quads(stage: Usd.Stage) -> None:
    UsdGeom.Mesh(shape_of(stage)).GetFaceVertexCountsAttr().Set([4] * 9)


def _lose_the_frames(stage: Usd.Stage) -> None:
    shape_of(stage).RemoveProperty("points")


def _lose_a_vertex(stage: Usd.Stage) -> None:
    attribute = UsdGeom.Mesh(shape_of(stage)).GetPointsAttr()
    attribute.Set(attribute.Get(2.0)[:-1], 2.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            _turn,
            "it holds /sequence/mesh.xformOp:rotateX, and only USD files as this program writes",
        ),
        (_add_a_mesh, "it holds /sequence/other, and only"),
        (_refer, "it holds references of /sequence/mesh, and only .*; export it as .glb, which is"),
        (_lie_below, "it holds subLayerOffsets of /, and only"),
        (_hide, "it holds active of /sequence/mesh, and only"),
        (_forget, "it holds no note that this program wrote it, and only"),
        (_use_quads, "its faces are not triangles"),
        (_lose_the_frames, "it has no frames"),
        (_lose_a_vertex, "faces name vertices 0 to 7, there are 7"),
    ],
)
def test_what_other_programs_changed_is_refused(tmp_path, change, message):
    stage = save(tmp_path, moving_cube())
    change(stage)
    stage.GetRootLayer().Export(str(tmp_path / "b.usdc"))
    with pytest.raises(UserError, match=rf"b\.usdc: not a readable mesh sequence: {message}"):
        MeshSequence.load(tmp_path / "b.usdc")


def test_without_the_library_the_command_is_named(tmp_path, monkeypatch):
    moving_cube().save(tmp_path / "a.usdc")
    monkeypatch.setitem(sys.modules, "pxr", None)
    needs = r"needs usd-core, run: pip install -e '\.\[usd\]'; or use glb"
    with pytest.raises(UserError, match=rf"^a \.usdc file {needs}"):
        MeshSequence.load(tmp_path / "a.usdc")
    with pytest.raises(UserError, match=rf"^b\.usdc {needs}"):
        moving_cube().save(tmp_path / "new" / "b.usdc")
    assert not (tmp_path / "new").exists()
    with pytest.raises(UserError, match=rf"^c\.usdc {needs}"):
        book().save(tmp_path / "c.usdc")
