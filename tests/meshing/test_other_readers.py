"""Files that this program writes, read by Assimp: a second reader beside trimesh."""

import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
import trimesh

from im2mesh.meshing.io import MESH_FORMATS, write_mesh

pytestmark = pytest.mark.slow


def read_with_assimp(path: Path) -> dict[str, np.ndarray]:
    """Kind of data -> values [F, 3, D] at the corners of the triangles, in file order.

    Assimp joins or repeats vertices as a format does, so rows of vertices cannot be compared.
    """
    assimp = shutil.which("assimp")
    if assimp is None:
        pytest.skip("needs the command of Assimp (Debian: apt-get install assimp-utils)")
    dumped = path.with_suffix(".assxml")
    subprocess.run([assimp, "export", path, dumped], check=True, capture_output=True)
    (mesh,) = ElementTree.parse(dumped).getroot().iter("Mesh")
    faces = np.array([face.text.split() for face in mesh.iter("Face")], int)
    values = {
        kind: np.array(found.text.split(), float).reshape(int(found.get("num", 0)), -1)[faces]
        for kind in ("Positions", "Normals", "Colors")
        if (found := mesh.find(kind)) is not None
    }
    return values


@pytest.mark.parametrize("ending", MESH_FORMATS)
def test_assimp_reads_what_we_write(tmp_path, ending):
    ball = trimesh.creation.icosphere(subdivisions=2)
    vertices = (ball.vertices * [0.1, 0.3, 1.7]).astype(np.float32)
    faces, normals = ball.faces.astype(np.int32), ball.vertex_normals.astype(np.float32)
    colors = np.random.default_rng(0).integers(0, 256, (len(vertices), 3)).astype(np.uint8)
    write_mesh(tmp_path / f"a.{ending}", vertices, faces, colors, normals)
    values = read_with_assimp(tmp_path / f"a.{ending}")
    np.testing.assert_allclose(values["Positions"], vertices[faces], atol=2e-6)  # six digits
    unit = 1 if ending == "off" else 255  # whole numbers in .off are those of most programs
    np.testing.assert_allclose(values["Colors"][..., :3], colors[faces] / unit, atol=1e-5)
    if ending in ("ply", "glb"):  # the others are written without
        np.testing.assert_allclose(values["Normals"], normals[faces], atol=2e-6)
