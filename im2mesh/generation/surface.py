"""Where a surface comes from: extracted from an occupancy function, or given by the data."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from im2mesh.config import DataConfig, GenerationConfig
from im2mesh.data.fields import mesh_path, window_frame
from im2mesh.data.observation import Observation
from im2mesh.data.sequences import DataError, Window
from im2mesh.meshing.extraction import extract_surface
from im2mesh.meshing.io import Mesh, read_mesh
from im2mesh.meshing.refinement import refine_vertices
from im2mesh.meshing.simplification import simplify_mesh


@dataclass(frozen=True)
class GivenSurface:
    """The surface of the first frame, and that of the last with the same faces where it is needed.

    Positions are in the frame of the window's first mesh. Without faces, points are carried.

    Raises:
        ValueError: If the two do not correspond.
    """

    start: Mesh
    end: Mesh | None = None

    def __post_init__(self) -> None:
        if self.end is None:
            return
        same_size = self.end.vertices.shape == self.start.vertices.shape
        if not (same_size and np.array_equal(self.end.faces, self.start.faces)):
            raise ValueError(
                f"the first surface has {len(self.start.vertices)} vertices and the last "
                f"{len(self.end.vertices)}; to blend both, vertex i must be the same point of the "
                "body and the faces equal; set generation.blend_from_end to false"
            )


def extract_mesh(logits: Callable[[Tensor], Tensor], config: GenerationConfig) -> Mesh:
    """The level set of an occupancy function, then simplified and refined as configured.

    Args:
        logits: Points [N, 3] -> occupancy logits [N].
    """
    surface = extract_surface(
        logits,
        threshold=config.threshold,
        resolution=config.resolution,
        upsampling_steps=config.upsampling_steps,
        padding=config.padding,
        batch_points=config.batch_points,
    )
    vertices, faces = surface.vertices, surface.faces
    if config.simplify_faces is not None and len(faces):
        vertices, faces = simplify_mesh(vertices, faces, config.simplify_faces)
    if config.refinement_steps and len(faces):
        vertices = refine_vertices(
            logits,
            vertices,
            threshold=config.threshold,
            voxel_size=surface.voxel_size,
            num_steps=config.refinement_steps,
        )
    return Mesh(vertices, faces)


def read_given_surface(
    data: DataConfig, window: Window, observation: Observation, config: GenerationConfig
) -> GivenSurface | None:
    """What generation.surface names: true meshes, or observed clouds; None for extracted.

    Raises:
        DataError: If the clip has no meshes, or the ends of the window do not correspond.
    """
    if config.surface == "extracted":
        return None
    try:
        if config.surface == "cloud":
            return given_clouds(observation, data, config.blend_from_end)
        last = window.num_frames - 1
        end = _read_mesh(data.root, window, last) if config.blend_from_end else None
        return GivenSurface(_read_mesh(data.root, window, 0), end)
    except ValueError as error:
        raise DataError(f"clip {window.clip}: {error}") from error


def given_clouds(observation: Observation, data: DataConfig, with_end: bool) -> GivenSurface:
    """The observed clouds themselves: the first, and where asked the last.

    Raises:
        ValueError: If no cloud is observed, or the last does not correspond or is not at t = 1.
    """
    if observation.inputs.ndim != 3 or observation.inputs.size == 0:
        raise ValueError("generation.surface is cloud, but no cloud is observed; set it to mesh")
    if with_end and not (data.input_pointcloud_corresponding and observation.times[-1] == 1):
        raise ValueError(
            "blending the first and the last cloud needs a cloud at t = 1 whose rows correspond to "
            "the first; set generation.blend_from_end to false"
        )
    no_faces = np.zeros((0, 3), np.int32)
    clouds = observation.inputs
    return GivenSurface(Mesh(clouds[0], no_faces), Mesh(clouds[-1], no_faces) if with_end else None)


def _read_mesh(root: str | Path, window: Window, frame: int) -> Mesh:
    path = mesh_path(root, window, frame)
    if path is None:
        raise DataError("no folder mesh_seq; set generation.surface to cloud")
    mesh = read_mesh(path)
    local = window_frame(root, window).from_world(mesh.vertices.astype(np.float64))
    return Mesh(local.astype(np.float32), mesh.faces)
