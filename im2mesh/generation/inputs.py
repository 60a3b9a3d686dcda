"""The input of a test window: its observation and, if configured, a given surface."""

import re
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from im2mesh.config.schema import Config, DataConfig, GenerationConfig
from im2mesh.data.batch import Observation
from im2mesh.data.frames import StoredWindow
from im2mesh.data.layout import DataError, Window
from im2mesh.data.observation import draw_observation
from im2mesh.errors import UserError
from im2mesh.files.written import replacing_files
from im2mesh.generation.surface import GivenSurface, given_clouds
from im2mesh.generation.window_input import WindowInput
from im2mesh.meshing.io import is_numbered_mesh, write_numbered_meshes
from im2mesh.meshing.mesh import Mesh


def read_input(config: Config, window: Window) -> WindowInput:
    """Read a test window: the same points and noise in every run, images of the first view."""
    key = zlib.crc32(window.id.encode())
    rng = np.random.default_rng((config.generation.seed, key))
    observation = draw_observation(config.data, window, rng, random_view=False)
    stored = StoredWindow(config.data.root, window)
    given = read_given_surface(config.data, stored, observation, config.generation)
    return WindowInput(observation, given, stored.frame)


def find_observation(config: Config, window: Window) -> Observation | None:
    """What a model saw; None where meshes of others are measured without it."""
    try:
        return read_input(config, window).observation
    except UserError:
        return None


def write_observation(folder: Path, observation: Observation) -> None:
    """Write observed clouds as ply, or observed images as png, numbered in their order."""
    if observation.inputs.ndim == 3:
        write_numbered_meshes(folder, [Mesh.of_points(cloud) for cloud in observation.inputs])
        return
    names = [f"{k:05d}.png" for k in range(len(observation.inputs))]
    with replacing_files(folder, names, is_observed_file) as place:
        for name, image in zip(names, observation.inputs, strict=True):
            pixels = np.rint(255 * image.transpose(1, 2, 0)).astype(np.uint8)
            Image.fromarray(pixels).save(place / name)


def is_observed_file(name: str) -> bool:
    """Whether a file of that name may be taken for one that `write_observation` wrote."""
    return is_numbered_mesh(name) or re.fullmatch("[0-9]+[.]png", name.lower()) is not None


def read_given_surface(
    data: DataConfig, stored: StoredWindow, observation: Observation, config: GenerationConfig
) -> GivenSurface | None:
    """Read what generation.surface names: true meshes, observed clouds, or None for extracted.

    Raises:
        DataError: If the clip has no meshes, or the ends of the window do not correspond.
    """
    if config.surface == "extracted":
        return None
    try:
        if config.surface == "cloud":
            return given_clouds(observation, data, config.blend_from_end)
        last = stored.window.num_frames - 1
        end = _read_mesh(stored, last) if config.blend_from_end else None
        return GivenSurface(_read_mesh(stored, 0), end)
    except ValueError as error:
        raise DataError(f"clip {stored.window.clip}: {error}") from error


def _read_mesh(stored: StoredWindow, frame: int) -> Mesh:
    mesh = stored.mesh(frame)
    if mesh is None:
        raise DataError("no folder mesh_seq; set generation.surface to cloud")
    return mesh
