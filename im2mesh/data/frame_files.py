"""The npz files of a clip: surface points and labelled points of a frame, cameras of a view."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int, UInt8

from im2mesh.data.layout import EXTRINSIC, INTRINSIC
from im2mesh.data.sampling import SurfaceSample, face_normals, label_points
from im2mesh.data.transforms import NormalizationFrame
from im2mesh.files.atomic import write_npz


def write_surface(
    path: Path,
    vertices: Float[np.ndarray, "V 3"],
    faces: Int[np.ndarray, "F 3"],
    sample: SurfaceSample,
    frame: NormalizationFrame,
    loc_type: type[np.floating],
) -> None:
    """Write surface points and their normals; vertices are in the given frame of reference.

    Args:
        loc_type: How the origin of the frame is stored, alike for all frames of a clip.
    """
    normals = face_normals(vertices, faces)[sample.faces]
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-20)
    write_npz(
        path,
        points=sample.points(vertices, faces).astype(np.float16),
        normals=normals.astype(np.float16),
        loc=frame.loc.astype(loc_type),
        scale=np.array(frame.scale),
    )


def write_labelled_points(
    files: Mapping[Path, Float[np.ndarray, "_ 3"]],
    vertices: Float[np.ndarray, "V 3"],
    faces: Int[np.ndarray, "F 3"],
    frame: NormalizationFrame,
    loc_type: type[np.floating],
) -> int:
    """Write points and whether each lies inside.

    All points of a frame are labelled in one go: building the search tree takes as long again.

    Args:
        files: Path of a file -> its points, as they are stored, in the given frame of reference.
        loc_type: As in `write_surface`.

    Returns:
        How many points lie inside.
    """
    if not files:
        return 0
    inside = label_points(vertices, faces, np.concatenate(list(files.values())))
    start = 0
    for path, points in files.items():
        write_npz(
            path,
            points=points,
            occupancies=np.packbits(inside[start : start + len(points)]),
            loc=frame.loc.astype(loc_type),
            scale=np.array(frame.scale),
        )
        start += len(points)
    return int(inside.sum())


def write_depth(
    path: Path,
    points: Float[np.ndarray, "N 3"],
    views: UInt8[np.ndarray, "N"],
    cameras: Float[np.ndarray, "C 3 4"],
    frame: NormalizationFrame,
    loc_type: type[np.floating],
) -> None:
    """Write points in the world that depth cameras saw, and what each is seen by.

    Args:
        views: Number of the camera of each point.
        cameras: Matrices from the world to the images.
        frame: That of the frame's surface points.
        loc_type: As in `write_surface`.
    """
    write_npz(
        path,
        points=frame.from_world(points).astype(np.float16),
        views=views,
        cameras=cameras,
        loc=frame.loc.astype(loc_type),
        scale=np.array(frame.scale),
    )


def write_camera(path: Path, camera: Float[np.ndarray, "3 4"]) -> None:
    """Write the camera of a view that stands still: a matrix from the world to the image."""
    write_npz(path, **{EXTRINSIC: camera, INTRINSIC: np.eye(3)})
