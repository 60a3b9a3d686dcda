"""LAS: what laspy 2.7.0 wrote is read, far from 0 too."""

import struct
from pathlib import Path

import numpy as np
import pytest

from im2mesh.data.scans import read_scan
from im2mesh.meshing.io import read_cloud, read_mesh

CASES = Path(__file__).parent / "cases"
POINTS = [[0.5, 1.8, 0.3], [0, 0, 0], [0.25, 1, -0.125], [-1.5, 0.001, 2]]
ORIGIN = (500_000, 5_400_000, 30)
STEP = 1e-3  # metres, in which positions are stored


def las(
    numbers: np.ndarray, version: int = 2, size: int = 20, kind: int = 0, signature: bytes = b"LASF"
) -> bytes:
    """A file of points without anything else, in the layout of the standard."""
    head = struct.pack(
        "<4s20xBB68xHIIBHI", signature, 1, version, 227, 227, 0, kind, size, len(numbers)
    )
    head = head.ljust(131, b"\0") + struct.pack("<6d", *[STEP] * 3, *ORIGIN)
    rows = np.zeros((len(numbers), size), np.uint8)
    rows[:, :12] = numbers.astype("<i4").view(np.uint8)
    return head.ljust(227, b"\0") + rows.tobytes()


@pytest.mark.parametrize("name", ["laspy_1_2.las", "laspy_1_4.las"])
def test_files_of_laspy_are_read(name):
    mesh = read_mesh(CASES / name)
    assert mesh.faces.shape == (0, 3) and mesh.colors is None
    np.testing.assert_allclose(mesh.vertices - ORIGIN, POINTS, atol=STEP)
    np.testing.assert_allclose(read_cloud(CASES / name) - ORIGIN, POINTS, atol=1e-9)


@pytest.mark.parametrize("size", [20, 37])
def test_points_of_any_size_are_read(tmp_path, size):
    numbers = np.arange(30).reshape(10, 3)
    (tmp_path / "a.las").write_bytes(las(numbers, size=size))
    np.testing.assert_allclose(read_cloud(tmp_path / "a.las"), numbers * STEP + ORIGIN)


def test_a_folder_of_them_is_a_scan(tmp_path):
    rng = np.random.default_rng(0)
    for frame in range(3):
        numbers = (rng.uniform(size=(40 - frame, 3)) * (500, 1800, 300)).astype(int)
        (tmp_path / f"{frame:03d}.LAS").write_bytes(las(numbers))
    assert [len(cloud) for cloud in read_scan([tmp_path]).clouds] == [40, 39, 38]
