"""Animated glTF files: keyframes in closed form, and whole poses as VTK evaluates them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.interpolate import CubicHermiteSpline
from scipy.spatial.transform import Rotation, Slerp

from im2mesh.meshing.formats.gltf.animations import Animation, animation_names, read_animation
from im2mesh.meshing.formats.gltf.container import open_glb
from im2mesh.meshing.formats.gltf.read import read_document
from tests.gltf_files import CORNERS, GltfFile

TIMES = [0.25, 0.5, 1.25]
TURNS = Rotation.from_rotvec([[0, 0, 0], [0, 2.5, 0], [1, 0.5, -2]])


def animate(file: GltfFile, *channels: tuple[int, str, Any, str], name: str = "move") -> None:
    """Add an animation of nodes: node, path, values at TIMES, interpolation."""
    kinds = {"weights": 1, "rotation": 4}
    samplers, targets = [], []
    for node, path, values, interpolation in channels:
        rows = np.reshape(np.asarray(values, np.float32), (-1, kinds.get(path, 3)))
        samplers.append(
            {
                "input": file.array(TIMES, "f4", min=[TIMES[0]], max=[TIMES[-1]]),
                "output": file.array(rows, "f4"),
                "interpolation": interpolation,
            }
        )
        target = {"node": node, "path": path}
        targets.append({"sampler": len(samplers) - 1, "target": target})
    entry = {"name": name, "samplers": samplers, "channels": targets}
    file.document.setdefault("animations", []).append(entry)


def read(file: GltfFile, folder: Path) -> Animation:
    return read_animation(open_glb(file.write(folder / "a.glb")), 0)


def vertices_at(animation: Animation, time: float) -> np.ndarray:
    return read_document(animation.pose(time))[0]


def moved_cube(tmp_path: Path, path: str, values: Any, interpolation: str) -> Animation:
    file = GltfFile()
    node = file.node(mesh=file.mesh(file.cube()))
    animate(file, (node, path, values, interpolation))
    return read(file, tmp_path)


@pytest.mark.parametrize("time", [0.0, 0.25, 0.4, 0.5, 0.9, 1.25, 3.0])
def test_interpolations_of_a_translation(tmp_path: Path, time: float):
    values = np.array([[0, 0, 0], [1, 2, 3], [-1, 5, 0]], float)
    held = np.clip(time, TIMES[0], TIMES[-1])
    linear = moved_cube(tmp_path, "translation", values, "LINEAR")
    expected = [np.interp(held, TIMES, column) for column in values.T]
    np.testing.assert_allclose(vertices_at(linear, time) - CORNERS, [expected] * 8, atol=1e-6)
    step = moved_cube(tmp_path, "translation", values, "STEP")
    expected = values[np.searchsorted(TIMES, held, side="right") - 1]
    np.testing.assert_allclose(vertices_at(step, time) - CORNERS, [expected] * 8, atol=1e-6)
    slopes = np.array([[1, 0, 2], [0, -3, 1], [2, 2, 2]], float)
    keys = np.stack([slopes, values, slopes], axis=1)
    spline = moved_cube(tmp_path, "translation", keys, "CUBICSPLINE")
    expected = CubicHermiteSpline(TIMES, values, slopes)(held)
    np.testing.assert_allclose(vertices_at(spline, time) - CORNERS, [expected] * 8, atol=1e-6)


def test_tangents_before_and_after_a_keyframe_may_differ(tmp_path: Path):
    keys = np.zeros((3, 3, 3))
    keys[0, 2, 0], keys[1, 0, 0] = 1.0, -2.0  # out of the first keyframe, into the second
    spline = moved_cube(tmp_path, "translation", keys, "CUBICSPLINE")
    expected = CubicHermiteSpline(TIMES[:2], [0, 0], [1, -2])(0.4)
    assert (vertices_at(spline, 0.4) - CORNERS)[0, 0] == pytest.approx(expected)


@pytest.mark.parametrize("sign", [1, -1])
def test_rotations_turn_evenly_the_shorter_way(tmp_path: Path, sign: int):
    turns = TURNS.as_quat() * np.array([[1], [sign], [1]])  # the same rotation
    animation = moved_cube(tmp_path, "rotation", turns, "LINEAR")
    for time in (0.3, 0.45, 0.5, 0.7, 1.2):
        expected = Slerp(TIMES, TURNS)(time).apply(CORNERS)
        np.testing.assert_allclose(vertices_at(animation, time), expected, atol=1e-5)


def skinned_file() -> GltfFile:
    """A cube whose lower half follows one joint and whose upper half two; it also morphs."""
    file = GltfFile()
    high = CORNERS[:, 2] > 0
    joints = np.where(high[:, None], [1, 0, 0, 0], [0, 0, 0, 0])
    weights = np.where(high[:, None], [0.75, 0.25, 0, 0], [1, 0, 0, 0])
    part = file.cube(JOINTS_0=file.array(joints, "u1"), WEIGHTS_0=file.array(weights, "f4"))
    part["targets"] = [
        {"POSITION": file.positions(CORNERS * [0.5, 0, 0])},
        {"POSITION": file.positions(CORNERS * [0, 0, 1] + [0, 1, 0])},
    ]
    mesh = file.mesh(part, weights=[0.0, 0.0])
    bind = np.eye(4)
    bind[3, :3] = [0, 0, -1]  # stored by columns
    matrices = file.array([np.eye(4).ravel(), bind.ravel()], "f4")
    body = file.node(mesh=mesh, skin=0)
    tip = file.node(in_scene=False, translation=[0, 0, 1])
    root = file.node(children=[tip], scale=[1, 1, 1])
    file.document["skins"] = [{"joints": [root, tip], "inverseBindMatrices": matrices}]
    slopes = np.random.default_rng(0).normal(size=(3, 3, 3))
    animate(
        file,
        (root, "translation", slopes, "CUBICSPLINE"),
        (root, "scale", [[1, 1, 1], [2, 2, 2], [1, 1.5, 1]], "LINEAR"),
        (tip, "rotation", TURNS.as_quat(), "LINEAR"),
        (body, "weights", [0, 0, 1, 0.5, 0.25, 1], "STEP"),
    )
    return file


def vtk_positions(path: Path, time: float) -> np.ndarray:
    """The second implementation."""
    pytest.importorskip("pyvista")
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkCommonExecutionModel import vtkStreamingDemandDrivenPipeline
    from vtkmodules.vtkIOGeometry import vtkGLTFReader

    reader = vtkGLTFReader()
    reader.SetFileName(str(path))
    reader.ApplyDeformationsToGeometryOn()
    reader.SetFrameRate(1000)
    reader.UpdateInformation()
    for number in range(reader.GetNumberOfAnimations()):
        reader.EnableAnimation(number)
    reader.UpdateInformation()
    information = reader.GetOutputInformation(0)
    information.Set(vtkStreamingDemandDrivenPipeline.UPDATE_TIME_STEP(), time)
    reader.Update()
    found, waiting = [], [reader.GetOutputDataObject(0)]
    while waiting:
        block = waiting.pop()
        if hasattr(block, "GetNumberOfBlocks"):
            waiting += [block.GetBlock(k) for k in range(block.GetNumberOfBlocks())]
        elif block is not None:
            found.append(vtk_to_numpy(block.GetPoints().GetData()))
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize("time", [0.25, 0.4, 0.5, 0.8, 1.1, 1.25])
def test_nodes_skins_and_morphs_move_as_vtk_moves_them(tmp_path: Path, time: float):
    file = skinned_file()
    animation = read(file, tmp_path)
    assert (animation.start, animation.end) == (0.25, 1.25)
    expected = vtk_positions(tmp_path / "a.glb", time)
    np.testing.assert_allclose(vertices_at(animation, time), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda entry: entry["samplers"][0].update(interpolation="CUBIC"), "unknown interpolation"),
        (lambda entry: entry["samplers"][0].update(input=99), "entry 99 of 'accessors'"),
        (lambda entry: entry["samplers"][0].pop("output"), "None cannot be an index"),
        (lambda entry: entry["channels"][0].update(sampler=7), "names sampler 7"),
        (lambda entry: entry["channels"][0]["target"].update(path="colour"), "moves 'colour'"),
        (lambda entry: entry["channels"][0]["target"].update(node=9), "entry 9 of 'nodes'"),
        (lambda entry: entry["channels"][0]["target"].update(path="weights"), "has none"),
        (lambda entry: entry["channels"][0]["target"].pop("node"), "moves no node"),
        (lambda entry: entry["channels"].append(entry["channels"][0]), "twice"),
        (lambda entry: entry["channels"][0]["target"].update(path="pointer"), "pointer"),
        (lambda entry: entry.pop("channels"), "moves no node"),
        (lambda entry: entry["samplers"][0].update(interpolation="CUBICSPLINE"), "9 numbers"),
    ],
)
def test_broken_animations_are_refused(tmp_path: Path, spoil: Any, message: str):
    file = GltfFile()
    node = file.node(mesh=file.mesh(file.cube()))
    animate(file, (node, "translation", np.zeros((3, 3)), "LINEAR"))
    spoil(file.document["animations"][0])
    with pytest.raises(ValueError, match=message):
        read(file, tmp_path)


def test_animations_without_a_name_are_numbered(tmp_path: Path):
    file = GltfFile()
    node = file.node(mesh=file.mesh(file.cube()))
    for name in ("walk", ""):
        animate(file, (node, "translation", np.zeros((3, 3)), "LINEAR"), name=name)
    assert animation_names(open_glb(file.write(tmp_path / "a.glb"))) == ["walk", "1"]
