"""A small moving body, and files of other programs that hold it: written without what is tested."""

import functools
from pathlib import Path

import numpy as np
import trimesh
from scipy.spatial.transform import Rotation

from im2mesh.synthesis.animation import animate
from im2mesh.synthesis.shape_space import find_body
from im2mesh.synthesis.splits import Clip
from tests.gltf_files import GltfFile

FEW = (
    "--surface-points", "300", "--occupancy-points", "400", "--near-surface-points", "50",
    "--no-pictures",
)  # fmt: skip
"""Options for small files."""


def egg(frames: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Vertices [frames, V, 3] and faces of a watertight egg that stands, walks and bends."""
    ball = trimesh.creation.icosphere(2, 0.3)
    rest = np.asarray(ball.vertices) * [1, 2.5, 0.8] + [0, 0.8, 0]
    moved = []
    for k in range(frames):
        bend = 0.3 * np.sin(k / 3) * rest[:, 1:2] ** 2 * [1, 0, 0]
        moved.append(rest + bend + [0.02 * k, 0, 0.05 * k])
    return np.array(moved), np.asarray(ball.faces, np.int32)


@functools.cache
def person(frames: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """The same of a synthetic body."""
    return animate(Clip(0, "hips"), frames, 0), find_body(0).faces


def write_hdf5(path: Path, clips: dict[str, np.ndarray], faces: np.ndarray) -> Path:
    """As the registrations of D-FAUST lie."""
    import h5py

    with h5py.File(path, "w") as file:
        file["faces"] = faces.astype(np.uint32)
        for name, vertices in clips.items():
            file[name] = vertices.transpose(1, 2, 0)
    return path


def write_anime(path: Path, vertices: np.ndarray, faces: np.ndarray) -> Path:
    """As the clips of DeformingThings4D lie."""
    path.parent.mkdir(parents=True, exist_ok=True)
    counts = np.array([len(vertices), vertices.shape[1], len(faces)], "<i4")
    parts = vertices[0].astype("<f4"), faces.astype("<i4")
    offsets = (vertices[1:] - vertices[:1]).astype("<f4")
    path.write_bytes(b"".join(part.tobytes() for part in (counts, *parts, offsets)))
    return path


def write_meshes(
    folder: Path, vertices: np.ndarray, faces: np.ndarray, ending: str = "ply"
) -> Path:
    """One file per frame, numbered from 7 on."""
    folder.mkdir(parents=True)
    for k, frame in enumerate(vertices):
        trimesh.Trimesh(frame, faces, process=False).export(folder / f"body_{k + 7:04d}.{ending}")
    return folder


def write_swinging(path: Path, vertices: np.ndarray, faces: np.ndarray) -> Path:
    """An animated GLB whose node turns about z by one radian within a second."""
    file = GltfFile()
    positions = file.positions(vertices)
    indices = file.array(faces.ravel(), "u2")
    node = file.node(mesh=file.mesh({"attributes": {"POSITION": positions}, "indices": indices}))
    turns = Rotation.from_rotvec([[0, 0, 0], [0, 0, 1]]).as_quat()
    sampler = {"input": file.array([2.0, 3.0], "f4"), "output": file.array(turns, "f4")}
    channel = {"sampler": 0, "target": {"node": node, "path": "rotation"}}
    file.document["animations"] = [{"samplers": [sampler], "channels": [channel]}]
    return file.write(path)
