"""True meshes of a clip, and meshes to be measured, in formats that only others write."""

import gzip

import numpy as np
import pytest

from im2mesh.data.frames import StoredWindow
from im2mesh.data.layout import MESH_FOLDER, Window
from im2mesh.evaluation.predictions import PredictedMeshes
from im2mesh.meshing.io import read_mesh, write_mesh
from tests.ball import CATEGORY, write_ball_dataset
from tests.gltf_files import CORNERS, FACES, GltfFile
from tests.readers import forget_files


def write_cube(folder, stem, format):
    """Its buffer stands beside a .gltf, under the same number."""
    folder.mkdir(parents=True, exist_ok=True)
    if format == "gltf":
        file = GltfFile()
        file.node(mesh=file.mesh(file.cube()))
        file.write(folder / f"{stem}.gltf")
        return
    write_mesh(folder / f"{stem}.ply", CORNERS, FACES.astype(np.int32))
    content = (folder / f"{stem}.ply").read_bytes()
    (folder / f"{stem}.ply").unlink()
    (folder / f"{stem}.ply.gz").write_bytes(gzip.compress(content))


@pytest.mark.parametrize("format", ["gltf", "ply.gz"])
def test_true_meshes_of_a_clip(tmp_path, format):
    write_ball_dataset(tmp_path, num_frames=2)
    clip = tmp_path / CATEGORY / "ball_a"
    for cloud in sorted((clip / "pcl_seq").iterdir()):
        write_cube(clip / MESH_FOLDER, cloud.stem, format)
    forget_files()
    stored = StoredWindow(tmp_path, Window(CATEGORY, "ball_a", 0, 2))
    mesh = stored.mesh(1)
    assert mesh is not None
    expected = stored.frame.from_world(CORNERS.astype(np.float64)).astype(np.float32)
    np.testing.assert_allclose(mesh.vertices, expected, rtol=1e-6)
    np.testing.assert_array_equal(mesh.faces, FACES)


@pytest.mark.parametrize("format", ["gltf", "ply.gz"])
def test_meshes_to_be_measured(tmp_path, format):
    window = Window(CATEGORY, "ball_a", 0, 2)
    folder = tmp_path / CATEGORY / "ball_a" / "00000"
    for k in range(2):
        write_cube(folder, f"{k:05d}", format)
    predicted = PredictedMeshes(tmp_path)
    prediction = predicted.read(StoredWindow(tmp_path, window))
    assert prediction.corresponds and list(prediction.meshes) == [0, 1]
    np.testing.assert_array_equal(prediction.meshes[1].vertices, CORNERS)


def test_a_changed_buffer_is_another_mesh(tmp_path):
    """Else results of the old mesh would be kept."""
    window = Window(CATEGORY, "ball_a", 0, 1)
    folder = tmp_path / CATEGORY / "ball_a" / "00000"
    write_cube(folder, "00000", "gltf")
    predicted = PredictedMeshes(tmp_path)
    before = predicted.hash([window])
    content = (folder / "00000.bin").read_bytes()
    (folder / "00000.bin").write_bytes(np.float32([9]).tobytes() + content[4:] + b"more")
    assert read_mesh(folder / "00000.gltf").vertices[0, 0] == 9
    assert predicted.hash([window]) != before
