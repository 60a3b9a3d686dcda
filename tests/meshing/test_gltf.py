"""All that a .glb or .gltf shows, joined in the order of the file, or a refusal that names it."""

import json
import shutil
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest
import trimesh

from im2mesh.errors import Advice, UserError
from im2mesh.meshing.io import files_of_mesh, read_mesh, write_mesh
from tests.gltf_files import CORNERS, FACES, STRIP, GltfFile
from tests.readers import glb

CASES = Path(__file__).parent / "cases"
QUARTER_TURN = [0, 0, np.sqrt(0.5), np.sqrt(0.5)]  # about z: x goes to y


def moved_cube(*offset):
    return CORNERS + np.array(offset)


def volume(mesh):
    return trimesh.Trimesh(mesh.vertices, mesh.faces, process=False).volume


def seen_by_trimesh(path):
    """All triangles in the coordinates of the scene, by another reader, one corner per row."""
    scene = trimesh.load(path, process=False)
    return np.concatenate([mesh.triangles for mesh in scene.dump()])


def assert_like_trimesh(path, mesh):
    ours = mesh.vertices[mesh.faces]
    theirs = seen_by_trimesh(path)
    np.testing.assert_allclose(_sorted_rows(ours), _sorted_rows(theirs), atol=1e-5)


def _sorted_rows(triangles):
    rows = np.round(np.asarray(triangles, np.float64), 4).reshape(-1, 9) + 0.0
    return rows[np.lexsort(rows.T)]


def assert_refused(path, message):
    with pytest.raises(UserError, match=message) as error:
        read_mesh(path)
    assert str(error.value).startswith(f"{path}: not a readable mesh")


@pytest.mark.parametrize("path", sorted(CASES.glob("*.glb")), ids=lambda path: path.stem)
def test_cubes_of_public_reports(path):
    mesh = read_mesh(path)
    assert (len(mesh.vertices), len(mesh.faces)) == (8, 12)
    assert volume(mesh) == pytest.approx(8)
    np.testing.assert_array_equal(np.abs(mesh.vertices), 1)


def test_the_cases_are_there():
    assert len(list(CASES.glob("*.glb"))) == 4


@pytest.mark.parametrize(
    ("dtype", "values", "normalized", "expected"),
    [
        ("i1", 127 * CORNERS, True, CORNERS),
        ("i1", 100 * CORNERS, False, 100 * CORNERS),
        ("u1", 255 * (CORNERS > 0), True, CORNERS > 0),
        ("u1", 200 * (CORNERS > 0), False, 200 * (CORNERS > 0)),
        ("i2", 32767 * CORNERS, True, CORNERS),
        ("i2", -32768 * (CORNERS < 0), True, -1 * (CORNERS < 0)),  # not -1.00003
        ("i2", 300 * CORNERS, False, 300 * CORNERS),
        ("u2", 65535 * (CORNERS > 0), True, CORNERS > 0),
        ("u2", 40000 * (CORNERS > 0), False, 40000 * (CORNERS > 0)),
        ("f4", CORNERS, False, CORNERS),
    ],
)
@pytest.mark.parametrize("padding", [0, 4, 17])
def test_positions_of_all_types_and_strides(tmp_path, dtype, values, normalized, expected, padding):
    file = GltfFile()
    keys = {"normalized": True} if normalized else {}
    position = file.positions(values.astype(np.int64), dtype, padding=padding, **keys)
    file.node(mesh=file.mesh(file.cube(POSITION=position)))
    mesh = read_mesh(file.write(tmp_path / "a.glb"))
    np.testing.assert_array_equal(mesh.vertices, np.asarray(expected, np.float32))
    np.testing.assert_array_equal(mesh.faces, FACES)


def test_dequantised_by_its_node(tmp_path):
    """As gltfpack writes them: integers, and the scale and offset in the node."""
    file = GltfFile()
    position = file.positions(200 * (CORNERS > 0), "u2", padding=2)
    file.node(mesh=file.mesh(file.cube(POSITION=position)), scale=[0.01] * 3, translation=[-1] * 3)
    path = file.write(tmp_path / "a.glb")
    mesh = read_mesh(path)
    np.testing.assert_allclose(mesh.vertices, CORNERS, atol=1e-6)
    assert_like_trimesh(path, mesh)


@pytest.mark.parametrize("dtype", ["u1", "u2", "u4"])
def test_indices_of_all_types(tmp_path, dtype):
    file = GltfFile()
    primitive = {**file.cube(), "indices": file.array(FACES.ravel(), dtype)}
    file.node(mesh=file.mesh(primitive))
    np.testing.assert_array_equal(read_mesh(file.write(tmp_path / "a.glb")).faces, FACES)


def test_triangles_without_indices_are_not_merged(tmp_path):
    file = GltfFile()
    soup = CORNERS[FACES].reshape(-1, 3)
    file.node(mesh=file.mesh({"attributes": {"POSITION": file.positions(soup)}}))
    mesh = read_mesh(file.write(tmp_path / "a.glb"))
    np.testing.assert_array_equal(mesh.vertices, soup)
    np.testing.assert_array_equal(mesh.faces, np.arange(36).reshape(12, 3))


def test_interleaved_positions_and_colors(tmp_path):
    file = GltfFile()
    colors = np.arange(24, dtype=np.uint8).reshape(8, 3)
    rows = np.empty(8, [("position", "<f4", 3), ("color", "u1", 3), ("fill", "u1")])
    rows["position"], rows["color"] = CORNERS, colors
    view = file.view(rows.tobytes(), byteStride=16)
    shared = {"bufferView": view, "count": 8, "type": "VEC3"}
    position = file.accessor({**shared, "componentType": 5126})
    color = file.accessor({**shared, "componentType": 5121, "byteOffset": 12, "normalized": True})
    file.node(mesh=file.mesh(file.cube(POSITION=position, COLOR_0=color)))
    mesh = read_mesh(file.write(tmp_path / "a.glb"))
    np.testing.assert_array_equal(mesh.vertices, CORNERS)
    np.testing.assert_array_equal(mesh.colors, colors)


@pytest.mark.parametrize(("mode", "corners"), [(5, STRIP), (6, [0, 1, 5, 4, 6, 2, 3, 1])])
def test_strips_and_fans(tmp_path, mode, corners):
    file = GltfFile()
    indices = file.array(corners, "u2")
    fan_or_strip = {**file.cube(), "indices": indices, "mode": mode}
    rest = {**file.cube(), "indices": file.array(FACES[[2, 3, 6, 7, 10, 11]].ravel(), "u1")}
    rest["attributes"] = fan_or_strip["attributes"]
    parts = [fan_or_strip] if mode == 5 else [fan_or_strip, rest]
    file.node(mesh=file.mesh(*parts))
    mesh = read_mesh(file.write(tmp_path / "a.glb"))
    assert (len(mesh.vertices), len(mesh.faces)) == (8, 12)
    assert volume(mesh) == pytest.approx(8)
    assert trimesh.Trimesh(mesh.vertices, mesh.faces, process=False).is_watertight


def test_a_strip_of_two_parts_leaves_out_its_connection(tmp_path):
    file = GltfFile()
    strip = [0, 2, 1, 3, 3, 4, 4, 5, 6, 7]  # bottom and top; 3, 4 are named twice to get there
    file.node(mesh=file.mesh({**file.cube(), "indices": file.array(strip, "u2"), "mode": 5}))
    faces = read_mesh(file.write(tmp_path / "a.glb")).faces
    np.testing.assert_array_equal(faces, [[0, 2, 1], [2, 3, 1], [4, 5, 6], [5, 7, 6]])


MIRRORS = [
    ({"scale": [-1, 1, 1]}, 1),
    ({"scale": [-1, -1, -2]}, 2),
    ({"scale": [-1, -1, 1]}, 1),
    ({"matrix": [-1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 5, 6, 7, 1]}, 1),
    ({"matrix": [0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]}, 1),
    ({"rotation": QUARTER_TURN, "scale": [1, 2, -3], "translation": [9, 0, 0]}, 6),
]


@pytest.mark.parametrize(("placed", "factor"), MIRRORS)
@pytest.mark.parametrize("nested", [False, True])
def test_mirrored_nodes_keep_the_outside_outside(tmp_path, placed, factor, nested):
    file = GltfFile()
    mesh = file.mesh(file.cube())
    if nested:
        child = file.node(in_scene=False, mesh=mesh, rotation=QUARTER_TURN, scale=[1, -1, 1])
        file.node(children=[child], **placed)
    else:
        file.node(mesh=mesh, **placed)
    path = file.write(tmp_path / "a.glb")
    read = read_mesh(path)
    assert volume(read) == pytest.approx(8 * factor, rel=1e-5)
    corners = seen_by_trimesh(path).reshape(-1, 3)
    np.testing.assert_allclose(read.vertices.min(0), corners.min(0), atol=1e-5)
    np.testing.assert_allclose(read.vertices.max(0), corners.max(0), atol=1e-5)


def test_two_mirrors_are_no_mirror(tmp_path):
    file = GltfFile()
    child = file.node(in_scene=False, mesh=file.mesh(file.cube()), scale=[1, -1, 1])
    file.node(children=[child], scale=[-1, 1, 1])
    np.testing.assert_array_equal(read_mesh(file.write(tmp_path / "a.glb")).faces, FACES)


def test_one_mesh_shown_by_several_nodes(tmp_path):
    """Children stand before their parents in this file, whose order counts."""
    file = GltfFile()
    mesh = file.mesh(file.cube())
    first = file.node(in_scene=False, mesh=mesh, translation=[10, 0, 0])
    second = file.node(in_scene=False, mesh=mesh, scale=[2, 2, 2])
    file.node(children=[second, first], translation=[0, 5, 0])
    file.node(mesh=mesh)
    path = file.write(tmp_path / "a.glb")
    read = read_mesh(path)
    expected = [moved_cube(10, 5, 0), 2 * CORNERS + np.array([0, 5, 0]), CORNERS]
    np.testing.assert_array_equal(read.vertices, np.concatenate(expected).astype(np.float32))
    np.testing.assert_array_equal(read.faces, np.concatenate([FACES + 8 * k for k in range(3)]))
    assert_like_trimesh(path, read)


def test_primitives_of_their_own_arrays_and_colors(tmp_path):
    """White where a part has no colours, as the standard says."""
    file = GltfFile()
    colors = file.array(np.full((8, 4), [1, 0.5, 0, 1]), "f4")
    plain, colored = file.cube(), file.cube(COLOR_0=colors)
    file.node(mesh=file.mesh(plain, colored))
    mesh = read_mesh(file.write(tmp_path / "a.glb"))
    assert (len(mesh.vertices), len(mesh.faces)) == (16, 24)
    np.testing.assert_array_equal(mesh.colors, np.repeat([[255] * 3, [255, 128, 0]], 8, axis=0))


def test_only_the_scene_is_shown(tmp_path):
    file = GltfFile()
    mesh = file.mesh(file.cube())
    file.node(mesh=mesh)
    file.node(in_scene=False, mesh=mesh, translation=[5, 0, 0])
    file.document["scenes"].insert(0, {"nodes": [1]})
    file.document["scene"] = 1
    np.testing.assert_array_equal(read_mesh(file.write(tmp_path / "a.glb")).vertices, CORNERS)
    del file.document["scene"]
    assert_refused(file.write(tmp_path / "b.glb"), "it has 2 scenes and does not say which one")
    del file.document["scenes"]
    assert len(read_mesh(file.write(tmp_path / "c.glb")).vertices) == 16  # all roots


def test_coarser_levels_of_detail_are_not_shown(tmp_path):
    """Without a scene, too, where they look like roots."""
    file = GltfFile()
    file.node(mesh=file.mesh(file.cube()), extensions={"MSFT_lod": {"ids": [2]}})
    file.node(mesh=0, translation=[3, 0, 0])
    file.node(in_scene=False, mesh=0, scale=[2, 2, 2])
    expected = np.concatenate([CORNERS, CORNERS + np.array([3, 0, 0])])
    np.testing.assert_array_equal(read_mesh(file.write(tmp_path / "a.glb")).vertices, expected)
    del file.document["scene"], file.document["scenes"]
    np.testing.assert_array_equal(read_mesh(file.write(tmp_path / "b.glb")).vertices, expected)
    file.document["nodes"][0]["extensions"]["MSFT_lod"]["ids"] = [9]
    assert_refused(file.write(tmp_path / "c.glb"), "names entry 9 of 'nodes', which has 3")


def test_meshes_that_nothing_shows_are_no_empty_mesh(tmp_path):
    file = GltfFile()
    file.mesh(file.cube())
    assert_refused(file.write(tmp_path / "a.glb"), "holds 1 meshes, but its scene shows none")
    del file.document["scene"], file.document["scenes"]
    assert_refused(file.write(tmp_path / "b.glb"), "holds 1 meshes, but its scene shows none")
    (tmp_path / "c.glb").write_bytes(glb(b"{}"))
    assert_refused(tmp_path / "c.glb", r"no asset\.version")
    for content in (b"{}", b"[]", b"3", b""):
        (tmp_path / "d.gltf").write_bytes(content)
        assert_refused(tmp_path / "d.gltf", "not a readable mesh")


def morphed(weights=None, node=None, sparse=False):
    """A cube with two targets: one moves the top up by 1, the other all of it along x by 2."""
    file = GltfFile()
    top = np.flatnonzero(CORNERS[:, 2] > 0)
    up = np.zeros_like(CORNERS)
    up[top, 2] = 1
    if sparse:
        indices, values = file.view(top.astype("<u2").tobytes()), file.view(up[top].tobytes())
        first = file.accessor(
            {"componentType": 5126, "count": 8, "type": "VEC3", "min": [0] * 3, "max": [0, 0, 1],
             "sparse": {"count": 4, "indices": {"bufferView": indices, "componentType": 5123},
                        "values": {"bufferView": values}}}
        )  # fmt: skip
    else:
        first = file.positions(up)
    second = file.positions(np.full((8, 3), [127, 0, 0]), "i1", padding=1, normalized=True)
    primitive = {**file.cube(), "targets": [{"POSITION": first}, {"POSITION": second}]}
    mesh = file.mesh(primitive, **({} if weights is None else {"weights": weights}))
    file.node(mesh=mesh, **({} if node is None else {"weights": node}))
    return file, up


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize(
    ("weights", "node", "applied"),
    [
        (None, None, (0, 0)),
        ([0.5, 0], None, (0.5, 0)),
        ([1, 1], None, (1, 1)),
        ([1, 1], [0, 0], (0, 0)),
        ([0, 1], [0.25, 2], (0.25, 2)),
    ],
)
def test_morph_weights(tmp_path, weights, node, applied, sparse):
    file, up = morphed(weights, node, sparse)
    expected = CORNERS + applied[0] * up + applied[1] * np.array([1, 0, 0])
    mesh = read_mesh(file.write(tmp_path / "a.glb"))
    np.testing.assert_allclose(mesh.vertices, expected, atol=1e-6)


def test_morph_weights_that_do_not_fit(tmp_path):
    file, _ = morphed([1])
    assert_refused(file.write(tmp_path / "a.glb"), "'weights' must be 2 finite numbers")
    file, _ = morphed([1, 0])
    file.document["accessors"][0]["count"] = 7
    assert_refused(file.write(tmp_path / "a.glb"), "a morph target moves 7 of 8 vertices")


def test_sparse_positions(tmp_path):
    file = GltfFile()
    position = file.positions(CORNERS)
    indices = file.view(np.array([1, 7], "u1").tobytes())
    values = file.view(np.array([[9, 9, 9], [8, 8, 8]], "<f4").tobytes())
    file.document["accessors"][position]["sparse"] = {
        "count": 2, "indices": {"bufferView": indices, "componentType": 5121},
        "values": {"bufferView": values},
    }  # fmt: skip
    file.node(mesh=file.mesh(file.cube(POSITION=position)))
    expected = CORNERS.copy()
    expected[1], expected[7] = 9, 8
    np.testing.assert_array_equal(read_mesh(file.write(tmp_path / "a.glb")).vertices, expected)


def skinned(joint_nodes, joints, weights, weight_type="f4", bind=None, mesh_node=None):
    """A cube that follows joints, which stand below one another in the order given."""
    file = GltfFile()
    scale = {"u1": 255, "u2": 65535}.get(weight_type, 1)
    keys = {} if weight_type == "f4" else {"normalized": True}
    rows = {
        "JOINTS_0": file.array(joints, "u1"),
        "WEIGHTS_0": file.array(np.rint(np.multiply(weights, scale)) if keys else weights,
                                weight_type, **keys),
    }  # fmt: skip
    skin = {"joints": list(range(len(joint_nodes)))}
    if bind is not None:
        columns = np.transpose(bind, (0, 2, 1)).reshape(-1, 16)
        skin["inverseBindMatrices"] = file.array(columns, "f4")
    for k, keys in enumerate(joint_nodes):
        below = {"children": [k + 1]} if k + 1 < len(joint_nodes) else {}
        file.node(in_scene=k == 0, **keys, **below)
    file.document["skins"] = [skin]
    file.node(mesh=file.mesh(file.cube(**rows)), skin=0, **(mesh_node or {}))
    return file


def test_a_skin_moves_vertices_and_its_own_node_does_not(tmp_path):
    """The bottom follows joint 0, which rises by 1; the top follows joint 1, which turns."""
    top = CORNERS[:, 2] > 0
    joints = np.where(top[:, None], [1, 0, 0, 0], [0, 0, 0, 0])
    weights = np.tile([1.0, 0, 0, 0], (8, 1))
    nodes = [{"translation": [0, 0, 1]}, {"translation": [0, 0, 3], "rotation": QUARTER_TURN}]
    bind = np.stack([np.eye(4)] * 2)
    bind[1, 2, 3] = -1  # in the bind pose joint 1 stands at z = 1
    file = skinned(nodes, joints, weights, bind=bind, mesh_node={"translation": [50, 0, 0]})
    expected = moved_cube(0, 0, 1)
    x, y, z = CORNERS[top].T
    expected[top] = np.stack([-y, x, z - 1 + 4], axis=1)
    mesh = read_mesh(file.write(tmp_path / "a.glb"))
    np.testing.assert_allclose(mesh.vertices, expected, atol=1e-6)
    np.testing.assert_array_equal(mesh.faces, FACES)


@pytest.mark.parametrize("weight_type", ["f4", "u1", "u2"])
def test_weights_of_all_types_blend(tmp_path, weight_type):
    nodes = [{"translation": [0, 0, 0]}, {"translation": [0, 4, 0]}]
    weights = np.tile([0.25, 0.75, 0, 0], (8, 1))
    file = skinned(nodes, np.tile([0, 1, 0, 0], (8, 1)), weights, weight_type)
    mesh = read_mesh(file.write(tmp_path / "a.glb"))
    np.testing.assert_allclose(mesh.vertices, moved_cube(0, 3, 0), atol=0.01)
    shift = mesh.vertices - CORNERS
    np.testing.assert_allclose(shift[:, 1] / 4, np.rint(0.75 * 255) / 255, atol=2e-3)


def test_a_skin_that_mirrors_keeps_the_outside_outside(tmp_path):
    nodes = [{"scale": [-1, 1, 1]}, {"translation": [0, 0, 0]}]
    weights = np.tile([1.0, 0, 0, 0], (8, 1))
    file = skinned(nodes, np.ones((8, 4), int), weights)
    mesh = read_mesh(file.write(tmp_path / "a.glb"))
    assert volume(mesh) == pytest.approx(8)
    np.testing.assert_allclose(mesh.vertices, CORNERS * [-1, 1, 1])
    file = skinned(nodes[::-1], np.tile([[0], [1]], (4, 4)), weights)
    assert_refused(file.write(tmp_path / "b.glb"), "some joints of a skin mirror the mesh")


@pytest.mark.parametrize(
    ("joints", "weights", "message"),
    [
        ([9, 0, 0, 0], [1, 0, 0, 0], "names joint 9, there are 1"),
        ([0, 0, 0, 0], [0, 0, 0, 0], "do not sum to 1"),
        ([0, 0, 0, 0], [0.5, 0, 0, 0], "do not sum to 1"),
        ([0, 0, 0, 0], [2, -1, 0, 0], "negative or not finite"),
        ([0, 0, 0, 0], [np.nan, 0, 0, 0], "negative or not finite"),
    ],
)
def test_skins_that_make_no_sense(tmp_path, joints, weights, message):
    file = skinned([{}], np.tile(joints, (8, 1)), np.tile(weights, (8, 1)))
    assert_refused(file.write(tmp_path / "a.glb"), message)


def test_a_skin_without_joints_of_vertices(tmp_path):
    file = skinned([{}], np.zeros((8, 4), int), np.tile([1.0, 0, 0, 0], (8, 1)))
    del file.document["meshes"][0]["primitives"][0]["attributes"]["WEIGHTS_0"]
    assert_refused(file.write(tmp_path / "a.glb"), "lacks JOINTS_0 or WEIGHTS_0")
    file.document["skins"][0]["joints"] = []
    assert_refused(file.write(tmp_path / "a.glb"), "a skin without joints")


def test_eight_influences(tmp_path):
    file = skinned([{"translation": [0, 0, 8]}], np.zeros((8, 4), int), np.full((8, 4), 0.125))
    attributes = file.document["meshes"][0]["primitives"][0]["attributes"]
    attributes["JOINTS_1"], attributes["WEIGHTS_1"] = (
        attributes[f"{n}_0"] for n in ("JOINTS", "WEIGHTS")
    )
    np.testing.assert_allclose(
        read_mesh(file.write(tmp_path / "a.glb")).vertices, CORNERS + np.float32([0, 0, 8])
    )


def test_animations_are_not_played(tmp_path):
    file = GltfFile()
    file.node(mesh=file.mesh(file.cube()), translation=[1, 0, 0])
    times, places = file.array([0.0, 1.0], "f4"), file.array([[5, 5, 5], [6, 6, 6]], "f4")
    file.document["animations"] = [
        {"channels": [{"sampler": 0, "target": {"node": 0, "path": "translation"}}],
         "samplers": [{"input": times, "output": places}]}
    ]  # fmt: skip
    for ending in ("glb", "gltf"):
        path = file.write(tmp_path / f"a.{ending}")
        with pytest.warns(Advice, match=rf"a\.{ending}: its animation is not played"):
            vertices = read_mesh(path).vertices
        np.testing.assert_array_equal(vertices, CORNERS + np.float32([1, 0, 0]))


def test_points(tmp_path):
    file = GltfFile()
    primitive = {"attributes": {"POSITION": file.positions(CORNERS)}, "mode": 0}
    file.node(mesh=file.mesh(primitive), translation=[0, 0, 1])
    mesh = read_mesh(file.write(tmp_path / "a.glb"))
    np.testing.assert_array_equal(mesh.vertices, CORNERS + np.float32([0, 0, 1]))
    assert len(mesh.faces) == 0
    primitive["indices"] = file.array([7, 6, 5, 4, 3, 2, 1, 0], "u1")
    np.testing.assert_array_equal(read_mesh(file.write(tmp_path / "b.glb")).vertices, mesh.vertices)
    primitive["indices"] = file.array([0, 1], "u1")
    assert_refused(file.write(tmp_path / "c.glb"), "leave out some of its points")


def test_cameras_and_lights_are_left_alone(tmp_path):
    file = GltfFile()
    file.document["cameras"] = [{"type": "perspective", "perspective": {"yfov": 1, "znear": 1}}]
    file.document["extensionsUsed"] = ["KHR_lights_punctual"]
    file.document["extensionsRequired"] = ["KHR_lights_punctual", "KHR_texture_transform"]
    file.node(camera=0, extensions={"KHR_lights_punctual": {"light": 0}})
    file.node(mesh=file.mesh(file.cube()))
    np.testing.assert_array_equal(read_mesh(file.write(tmp_path / "a.glb")).vertices, CORNERS)


def _change(where, **keys):
    def apply(document):
        target = document[where][0] if where else document
        target.update(keys)

    return apply


def _change_primitive(**keys):
    def apply(document):
        document["meshes"][0]["primitives"][0].update(keys)

    return apply


def _drop_positions(document):
    del document["meshes"][0]["primitives"][0]["attributes"]["POSITION"]


def _drop_data(document):
    del document["accessors"][0]["bufferView"]


DRACO = {"KHR_draco_mesh_compression": {"bufferView": 0, "attributes": {"POSITION": 0}}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_change("", extensionsRequired=["KHR_draco_mesh_compression"]),
         "requires the extension KHR_draco_mesh_compression"),
        (_change("", extensionsRequired=["EXT_meshopt_compression"]), "EXT_meshopt_compression"),
        (_change("", extensionsRequired=["MY_own"]), "requires the extension MY_own"),
        (_change("", extensions={"CESIUM_RTC": {"center": [1, 2, 3]}}), "CESIUM_RTC"),
        (_change("nodes", extensions={"EXT_mesh_gpu_instancing": {}}), "EXT_mesh_gpu_instancing"),
        (_change("nodes", extensions={"KHR_node_visibility": {"visible": False}}), "is hidden"),
        (_drop_data, "KHR_draco_mesh_compression"),
        (_drop_positions, "no positions of its own"),
        (_change("buffers", uri="elsewhere.bin"), "its buffer is another file, 'elsewhere.bin'"),
        (_change("bufferViews", buffer=1), "entry 1 of 'buffers', which has 1"),
        (_change("", asset={"version": "1.0"}), "it is glTF 1.0, and only 2.0 is read"),
        (_change("", asset={"version": "2.0", "minVersion": "2.1"}), "it is glTF 2.1"),
        (_change_primitive(mode=1), "is lines, which have no surface"),
        (_change_primitive(mode=2), "is lines, which have no surface"),
        (_change_primitive(mode=3), "is lines, which have no surface"),
        (_change_primitive(mode=7), "is of the unknown mode 7"),
        (_change_primitive(indices=7), "entry 7 of 'accessors'"),
        (_change_primitive(indices=0), "has the type 'VEC3', expected SCALAR"),
        (_change("meshes", primitives=[]), "has no primitives"),
        (_change("accessors", componentType=5130), "unknown component type 5130"),
        (_change("accessors", componentType=5126, normalized=True), "cannot have 'normalized'"),
        (_change("accessors", count=7), "names vertex 7, there are 7"),
        (_change("nodes", scale=[1, 1]), "'scale' must be 3 finite numbers"),
        (_change("nodes", matrix=[1] * 16), "not affine"),
        (_change("nodes", matrix=[0] * 16, scale=[1, 1, 1]), "both a matrix and"),
        (_change("nodes", rotation=[0, 0, 0, 0]), "the rotation of a node is 0, 0, 0, 0"),
        (_change("nodes", skin=0), "entry 0 of 'skins', which has 0"),
        (_change("scenes", nodes=[4]), "entry 4 of 'nodes', which has 1"),
        (_change("", scene=3), "entry 3 of 'scenes', which has 1"),
    ],
)  # fmt: skip
def test_what_is_not_understood_is_refused_by_name(tmp_path, change, message):
    file = GltfFile()
    file.node(mesh=file.mesh(file.cube()))
    file.document["buffers"] = [{"byteLength": len(file.binary)}]
    change(file.document)
    path = tmp_path / "a.glb"
    path.write_bytes(glb(json.dumps(file.document).encode(), file.binary))
    assert_refused(path, message)


def test_draco_that_is_not_required_has_arrays_to_fall_back_on(tmp_path):
    file = GltfFile()
    file.node(mesh=file.mesh({**file.cube(), "extensions": DRACO}))
    file.document["extensionsUsed"] = list(DRACO)
    np.testing.assert_array_equal(read_mesh(file.write(tmp_path / "a.glb")).vertices, CORNERS)


def test_triangles_and_points_together_are_refused(tmp_path):
    file = GltfFile()
    points = {"attributes": {"POSITION": file.positions(CORNERS)}, "mode": 0}
    file.node(mesh=file.mesh(file.cube(), points))
    assert_refused(file.write(tmp_path / "a.glb"), "both triangles and single points")


def test_corners_that_make_no_triangles_are_refused(tmp_path):
    for mode, corners in ((4, [0, 1, 2, 3]), (5, [0, 1]), (6, [0, 1])):
        file = GltfFile()
        indices = file.array(corners, "u2")
        file.node(mesh=file.mesh({**file.cube(), "indices": indices, "mode": mode}))
        assert_refused(file.write(tmp_path / "a.glb"), "corners")


def test_nodes_in_a_loop_or_below_two_nodes(tmp_path):
    file = GltfFile()
    mesh = file.mesh(file.cube())
    file.node(mesh=mesh)
    file.node(in_scene=False, children=[2])
    file.node(in_scene=False, children=[1])
    assert_refused(file.write(tmp_path / "a.glb"), "form a loop")
    file.document["nodes"][1:] = [{"children": [0]}]
    assert_refused(file.write(tmp_path / "b.glb"), "names node 0, which stands below another")
    file.document["nodes"][1:] = [{"children": [3]}, {"children": [3]}, {}]
    assert_refused(file.write(tmp_path / "c.glb"), "node 3 stands below two nodes")


def test_a_gltf_with_its_buffer_inside_or_beside(tmp_path):
    file = GltfFile()
    file.node(mesh=file.mesh(file.cube()), translation=[1, 2, 3])
    expected = CORNERS + np.float32([1, 2, 3])
    path = file.write_in_one(tmp_path / "a.gltf")
    np.testing.assert_array_equal(read_mesh(path).vertices, expected)
    assert files_of_mesh(path) == [path]
    (tmp_path / "sub folder").mkdir()
    path = file.write(tmp_path / "b.gltf")
    np.testing.assert_array_equal(read_mesh(path).vertices, expected)
    assert files_of_mesh(path) == [path, tmp_path / "b.bin"]
    (tmp_path / "b.bin").rename(tmp_path / "sub folder" / "c.bin")
    assert_refused(path, r"its buffer 'b\.bin' is missing")
    path.write_text(path.read_text().replace("b.bin", "sub%20folder/c.bin"))
    mesh = read_mesh(path)
    np.testing.assert_array_equal(mesh.vertices, expected)
    assert_like_trimesh(file.write(tmp_path / "d.gltf"), mesh)


@pytest.mark.parametrize(
    "uri",
    ["../canary", "/canary", "%2e%2e/canary", "sub/../../canary", "file:///canary", "a\\b", "",
     "http://a.b/canary", "C:/canary", "a\0b", "."],
)  # fmt: skip
def test_buffers_elsewhere_are_not_opened(tmp_path, uri):
    file = GltfFile()
    file.node(mesh=file.mesh(file.cube()))
    (tmp_path / "inside").mkdir()
    (tmp_path / "canary").write_bytes(file.binary)
    path = file.write(tmp_path / "inside" / "a.gltf")
    document = json.loads(path.read_text())
    document["buffers"][0]["uri"] = uri
    path.write_text(json.dumps(document))
    assert_refused(path, "is not in its own folder|is not the name of a file|is missing")
    assert files_of_mesh(path)[0] == path


@pytest.mark.parametrize("uri", ["data:", "data:;base64,%", "data:;base64,AAAA", "data:,abc", 3])
def test_broken_data_uris(tmp_path, uri):
    file = GltfFile()
    file.node(mesh=file.mesh(file.cube()))
    path = file.write_in_one(tmp_path / "a.gltf")
    document = json.loads(path.read_text())
    document["buffers"][0]["uri"] = uri
    path.write_text(json.dumps(document))
    assert_refused(path, "not a readable mesh")


def test_chunks_and_headers(tmp_path):
    content = (CASES / "cube_scale_minus_one.glb").read_bytes()
    path = tmp_path / "a.glb"
    size = len(content)
    binary = content.index(b"BIN\0") - 4
    other = struct.pack("<I4s", 4, b"MINE") + b"abcd"
    path.write_bytes(b"glTF" + struct.pack("<II", 2, size + 12) + content[12:] + other)
    assert volume(read_mesh(path)) == pytest.approx(8)  # a chunk of another kind is ignored
    path.write_bytes(content + b"behind its end")
    assert volume(read_mesh(path)) == pytest.approx(8)
    path.write_bytes(content.replace(b"}  ", b"}\0\0", 1))
    assert b"}\0\0" in path.read_bytes()
    assert volume(read_mesh(path)) == pytest.approx(8)
    for broken, message in [
        (content[:-1], "ends early"),
        (content[:binary], "ends early"),
        (b"glTF" + struct.pack("<II", 1, size) + content[12:], "it is binary glTF 1"),
        (b"glTF" + struct.pack("<II", 2, binary) + content[12:binary], "buffer 0 holds no data"),
        (b"glTF" + struct.pack("<II", 2, 12), "no JSON chunk"),
        (b"glTX" + content[4:], "no binary glTF"),
    ]:
        path.write_bytes(broken)
        assert_refused(path, message)


def test_small_files_cannot_ask_for_much(tmp_path):
    """Nodes may repeat a mesh, and sparse arrays may be long; both have a bound."""
    file = GltfFile()
    position = file.positions(np.zeros((2000, 3)))
    mesh = file.mesh({**file.cube(), "attributes": {"POSITION": position}})
    for _ in range(5000):
        file.node(mesh=mesh)
    assert_refused(file.write(tmp_path / "a.glb"), "which is more than 8388608")
    file, _ = morphed([1, 0], sparse=True)
    file.document["accessors"][0]["count"] = 10**9
    assert_refused(file.write(tmp_path / "b.glb"), "claims 12000000000 bytes")


def test_many_vertices_of_one_file_are_no_repetition(tmp_path):
    """The bound grows with the buffers, also where they are another file."""
    file = GltfFile()
    rows = np.zeros((12 * 10**5, 3), np.float32)
    position = file.accessor(
        {"bufferView": file.view(rows.tobytes()), "componentType": 5126, "count": len(rows),
         "type": "VEC3"}
    )  # fmt: skip
    primitive = {"attributes": {"POSITION": position}}
    file.node(mesh=file.mesh({**primitive, "mode": 0}))
    for _ in range(3):
        file.node(mesh=0)
    assert len(read_mesh(file.write(tmp_path / "a.gltf")).vertices) == 48 * 10**5


def validator() -> list[str] | None:
    """The validator of Khronos, if somebody installed it (npm install --global gltf-validator)."""
    node = shutil.which("node")
    if node is None:
        return None
    code = (
        "const v = require('gltf-validator'), fs = require('fs');"
        "v.validateBytes(new Uint8Array(fs.readFileSync(process.argv[1])))"
        ".then(r => console.log(JSON.stringify(r.issues)));"
    )
    found = subprocess.run([node, "-e", "require('gltf-validator')"], capture_output=True)
    return [node, "-e", code] if found.returncode == 0 else None


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["plain", "colored", "cloud", "empty"])
def test_the_validator_finds_nothing_in_what_we_write(tmp_path, kind):
    command = validator()
    if command is None:
        pytest.skip("needs node and its package gltf-validator, found by NODE_PATH")
    colors = np.full((8, 3), 200, np.uint8) if kind == "colored" else None
    normals = CORNERS / np.sqrt(np.float32(3)) if kind == "colored" else None
    vertices = CORNERS[:0] if kind == "empty" else CORNERS
    faces = (FACES[:0] if kind in ("cloud", "empty") else FACES).astype(np.int32)
    write_mesh(tmp_path / "a.glb", vertices, faces, colors, normals)
    command.append(str(tmp_path / "a.glb"))
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    issues = json.loads(done.stdout)
    assert (issues["numErrors"], issues["numWarnings"]) == (0, 0), issues["messages"]


@pytest.mark.parametrize(
    ("dtype", "full"), [("i1", 127), ("u1", 255), ("i2", 32767), ("u2", 65535), ("f4", 1)]
)
@pytest.mark.parametrize("based", [False, True])
def test_sparse_positions_of_all_types(tmp_path, dtype, full, based):
    """The replaced rows are of the type of the array, and normalised with it."""
    file = GltfFile()
    base = np.zeros((8, 3), dtype)
    base[:4] = full
    keys = {} if dtype == "f4" else {"normalized": True}
    position = file.positions(base, dtype, **keys)
    if not based:
        del file.document["accessors"][position]["bufferView"]
    replaced = np.array([[full, 0, full], [0, full, 0]], dtype)
    file.document["accessors"][position]["sparse"] = {
        "count": 2, "indices": {"bufferView": file.view(np.array([2, 5], "<u4").tobytes()),
                                "componentType": 5125},
        "values": {"bufferView": file.view(replaced.tobytes())},
    }  # fmt: skip
    file.node(mesh=file.mesh(file.cube(POSITION=position)))
    expected = base / full * based
    expected[[2, 5]] = [[1, 0, 1], [0, 1, 0]]
    np.testing.assert_array_equal(read_mesh(file.write(tmp_path / "a.glb")).vertices, expected)


@pytest.mark.parametrize("mirrors", [1, 2, 3, 4])
def test_mirrors_below_one_another(tmp_path, mirrors):
    """Each a matrix or a scale; the mesh is a strip."""
    file = GltfFile()
    primitive = {**file.cube(), "indices": file.array(STRIP, "u1"), "mode": 5}
    kinds = [{"scale": [1, -2, 1]}, {"matrix": [0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]}]
    below = file.node(in_scene=False, mesh=file.mesh(primitive))
    for k in range(mirrors):
        last = k == mirrors - 1
        below = file.node(in_scene=last, children=[below], translation=[k, 0, 0], **kinds[0]) \
            if k % 2 == 0 else file.node(in_scene=last, children=[below], **kinds[1])  # fmt: skip
    path = file.write(tmp_path / "a.glb")
    mesh = read_mesh(path)
    assert volume(mesh) == pytest.approx(8 * 2 ** ((mirrors + 1) // 2))
    corners = seen_by_trimesh(path).reshape(-1, 3)
    np.testing.assert_allclose(mesh.vertices.max(0), corners.max(0), atol=1e-5)


def test_a_mirrored_and_an_upright_node_of_one_mesh(tmp_path):
    file = GltfFile()
    mesh = file.mesh(file.cube())
    file.node(mesh=mesh)
    file.node(mesh=mesh, scale=[-1, 1, 1], translation=[5, 0, 0])
    read = read_mesh(file.write(tmp_path / "a.glb"))
    assert volume(read) == pytest.approx(16)
    np.testing.assert_array_equal(read.faces, [*FACES, *(8 + FACES[:, [0, 2, 1]])])


@pytest.mark.parametrize(
    ("scene", "scenes", "shown"),
    [
        (1, [[0], [1]], [5]),
        (0, [[0], [0, 1]], [0]),
        (1, [[0], [0, 1]], [0, 5]),
        (None, [[0, 1]], [0, 5]),
        (0, [[1, 1]], [5]),
    ],
)
def test_the_named_scene_is_shown(tmp_path, scene, scenes, shown):
    file = GltfFile()
    mesh = file.mesh(file.cube())
    file.node(mesh=mesh)
    file.node(mesh=mesh, translation=[5, 0, 0])
    file.document["scenes"] = [{"nodes": nodes} for nodes in scenes]
    file.document["scene"] = scene
    if scene is None:
        del file.document["scene"]
    mesh = read_mesh(file.write(tmp_path / "a.glb"))
    np.testing.assert_array_equal(
        mesh.vertices, np.concatenate([moved_cube(x, 0, 0) for x in shown])
    )


@pytest.mark.parametrize("scene", [2, -1, 0.0, "0", None, True])
def test_a_scene_that_is_not_there(tmp_path, scene):
    file = GltfFile()
    file.node(mesh=file.mesh(file.cube()))
    file.document["scene"] = scene
    assert_refused(file.write(tmp_path / "a.glb"), "'scenes'")


def test_parts_that_share_positions_but_not_colors(tmp_path):
    """Vertices are shared where all arrays that are read are the same; normals are not read."""
    file = GltfFile()
    part = file.cube()
    first, second = part["attributes"], {**part["attributes"], "NORMAL": file.positions(CORNERS)}
    third = {**first, "COLOR_0": file.array(np.full((8, 3), 0.2), "f4")}
    rest = {key: value for key, value in part.items() if key != "attributes"}
    file.node(mesh=file.mesh(*({"attributes": each, **rest} for each in (first, second, third))))
    mesh = read_mesh(file.write(tmp_path / "a.glb"))
    np.testing.assert_array_equal(mesh.vertices, np.concatenate([CORNERS, CORNERS]))
    np.testing.assert_array_equal(mesh.faces, np.concatenate([FACES, FACES, 8 + FACES]))
    np.testing.assert_array_equal(mesh.colors, [[255] * 3] * 8 + [[51] * 3] * 8)


def test_a_skeleton_away_from_the_origin(tmp_path):
    """Its root, the scale of a joint and the bind pose count; the node of the mesh does not."""
    bind = np.eye(4)
    bind[:3, 3] = [0, 0, -3]
    joints = [{"translation": [10, 0, 0]}, {"translation": [0, 5, 0], "scale": [2, 2, 2]}]
    influences, weights = np.tile([1, 0, 0, 0], (8, 1)), np.tile([1, 0, 0, 0], (8, 1))
    file = skinned(joints, influences, weights, bind=[np.eye(4), bind],
                   mesh_node={"translation": [99, 0, 0], "scale": [-1, 1, 1]})  # fmt: skip
    file.document["skins"][0]["skeleton"] = 0
    mesh = read_mesh(file.write(tmp_path / "a.glb"))
    np.testing.assert_allclose(mesh.vertices, 2 * (CORNERS - [0, 0, 3]) + [10, 5, 0], atol=1e-5)
    assert volume(mesh) == pytest.approx(64, rel=1e-5)


def test_morph_targets_move_before_the_skin(tmp_path):
    file = skinned([{"scale": [1, 1, 3]}], np.zeros((8, 4)), np.tile([1, 0, 0, 0], (8, 1)))
    target = file.positions(np.tile([0, 0, 1], (8, 1)))
    file.document["meshes"][0]["primitives"][0]["targets"] = [{"POSITION": target}]
    file.document["meshes"][0]["weights"] = [0.5]
    mesh = read_mesh(file.write(tmp_path / "a.glb"))
    np.testing.assert_allclose(mesh.vertices, moved_cube(0, 0, 0.5) * [1, 1, 3], atol=1e-6)


@pytest.mark.parametrize(
    ("name", "is_read"),
    [
        ("KHR_mesh_quantization", True),
        ("KHR_texture_transform", True),
        ("KHR_texture_basisu", True),
        ("KHR_materials_unlit", True),
        ("KHR_draco_mesh_compression", False),
        ("EXT_meshopt_compression", False),
        ("KHR_meshopt_compression", False),
        ("EXT_mesh_gpu_instancing", False),
        ("VENDOR_anything", False),
    ],
)
def test_extensions_that_a_file_requires(tmp_path, name, is_read):
    file = GltfFile()
    file.node(mesh=file.mesh(file.cube()))
    file.document["extensionsUsed"] = file.document["extensionsRequired"] = [name]
    path = file.write(tmp_path / "a.glb")
    if is_read:
        np.testing.assert_array_equal(read_mesh(path).faces, FACES)
    else:
        assert_refused(path, f"requires the extension {name}, which is not supported")


def test_meshopt_as_a_fallback_without_data(tmp_path):
    file = GltfFile()
    file.node(mesh=file.mesh(file.cube()))
    path = file.write_in_one(tmp_path / "a.gltf")
    document = json.loads(path.read_text())
    del document["buffers"][0]["uri"]
    document["buffers"][0]["extensions"] = {"EXT_meshopt_compression": {"fallback": True}}
    path.write_text(json.dumps(document))
    assert_refused(path, "its buffer 0 holds no data, as in files that are compressed")


@pytest.mark.parametrize(
    "head",
    ["data:application/gltf-buffer;base64,", "data:;base64,", "data:,",
     "data:application/octet-stream;charset=utf-8;base64,", "DATA:;Base64,"],
)  # fmt: skip
def test_data_uris_of_all_kinds(tmp_path, head):
    file = GltfFile()
    file.node(mesh=file.mesh(file.cube()))
    path = file.write_in_one(tmp_path / "a.gltf")
    document = json.loads(path.read_text())
    data = document["buffers"][0]["uri"].split(",")[1].replace("+", "%2B")
    if head == "data:,":
        data = "".join(f"%{byte:02x}" for byte in file.binary)
    document["buffers"][0]["uri"] = head + data
    path.write_text(json.dumps(document))
    np.testing.assert_array_equal(read_mesh(path).vertices, CORNERS)


@pytest.mark.parametrize(
    ("name", "uri"),
    [("b c.bin", "b c.bin"), ("b c.bin", "./b%20c.bin"), ("körper.bin", "k%C3%B6rper.bin"),
     ("körper.bin", "körper.bin"), ("a%b.bin", "a%25b.bin"), ("b.bin", "x/%2e/../b.bin")],
)  # fmt: skip
def test_names_of_buffers_beside(tmp_path, name, uri):
    file = GltfFile()
    file.node(mesh=file.mesh(file.cube()))
    path = file.write(tmp_path / "a.gltf")
    (tmp_path / "a.bin").rename(tmp_path / name)
    path.write_text(path.read_text().replace("a.bin", uri), "utf-8")
    if ".." in uri:  # it may lead out of the folder
        assert_refused(path, "is not in its own folder")
    else:
        np.testing.assert_array_equal(read_mesh(path).vertices, CORNERS)
        assert files_of_mesh(path) == [path, tmp_path / name]


def test_interleaved_arrays_with_offsets_of_view_and_array(tmp_path):
    """Behind 12 bytes that belong to nobody, with indices of bytes in the same buffer."""
    file = GltfFile()
    rows = np.full((8, 10), np.nan, "<f4")
    rows[:, 4:7] = CORNERS
    content = b"\xff" * 12 + rows.tobytes()
    view = file.view(b"")
    file.binary += b"\xff" * 4 + content
    file.document["bufferViews"][view] |= {
        "byteOffset": len(file.binary) - len(content) + 12, "byteLength": 320, "byteStride": 40,
    }  # fmt: skip
    position = file.accessor(
        {"bufferView": view, "byteOffset": 16, "componentType": 5126, "count": 8, "type": "VEC3"}
    )
    part = {"attributes": {"POSITION": position}, "indices": file.array(FACES.ravel(), "u1")}
    file.node(mesh=file.mesh(part))
    mesh = read_mesh(file.write(tmp_path / "a.glb"))
    np.testing.assert_array_equal(mesh.vertices, CORNERS)
    np.testing.assert_array_equal(mesh.faces, FACES)


def test_a_fan_without_indices(tmp_path):
    file = GltfFile()
    corners = [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]]
    file.node(mesh=file.mesh({"attributes": {"POSITION": file.positions(corners)}, "mode": 6}))
    mesh = read_mesh(file.write(tmp_path / "a.glb"))
    normals = np.cross(*(mesh.vertices[mesh.faces[:, k]] - mesh.vertices[mesh.faces[:, 0]]
                         for k in (1, 2)))  # fmt: skip
    np.testing.assert_array_equal(normals, [[0, 0, 1]] * 2)


@pytest.mark.parametrize(("dtype", "full"), [("u1", 255), ("u2", 65535), ("f4", 1)])
@pytest.mark.parametrize("width", [3, 4])
def test_colors_of_all_types(tmp_path, dtype, full, width):
    file = GltfFile()
    keys = {} if dtype == "f4" else {"normalized": True}
    values = np.zeros((8, width))
    values[:, 0], values[4:, 1] = full, full
    values[:, 2] = 2 if dtype == "f4" else full  # more than white is white
    color = file.array(values, dtype, padding=-width * np.dtype(dtype).itemsize % 4, **keys)
    file.node(mesh=file.mesh(file.cube(COLOR_0=color)))
    mesh = read_mesh(file.write(tmp_path / "a.glb"))
    np.testing.assert_array_equal(mesh.colors, [[255, 0, 255]] * 4 + [[255, 255, 255]] * 4)
