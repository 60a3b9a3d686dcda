"""The files of a folder -> the clouds and moving meshes that can be shown."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from im2mesh.errors import Advice, UserError
from im2mesh.files.npz import NpzError, locate_arrays
from im2mesh.files.numbered import READ_ENDINGS, find_numbered, split_name
from im2mesh.meshing.animated_file import is_animated_name
from im2mesh.runs.folder import SEQUENCE_FILE
from im2mesh.studies.moving_file import animated_seconds
from im2mesh.studies.viewer.clouds import Clouds, dimensions_of_points
from im2mesh.studies.viewer.moving_meshes import MovingMeshes
from im2mesh.studies.viewer.source import Source

Kind = Literal["frame", "scan", "still", "moving", "other"]
"""One cloud, clouds over time, a mesh that stands still, moving meshes, or something else."""
SINGLE = ("npz", "glb", "usdc")
"""Endings of files that are shown on their own: others, such as .ply, may be meshes of anything."""


def of_file(path: Path) -> Source:
    """What a file is that the user named; if it is none of ours, reading it says so."""
    is_single = is_animated_name(path) or path.suffix.lower() == ".npz"
    if is_single and not dimensions_of_points(path):
        return MovingMeshes(path, "moving meshes", path.name)
    return Clouds((path,), path.name)


def of_files(folder: Path, shown: Path) -> Iterator[Source]:
    """The numbered clouds of a folder, and what other files hold clouds or moving meshes.

    Args:
        shown: The folder as the user named it.
    """
    frames = _frames(folder)
    if frames:
        paths = (shown / frames[0],) if len(frames) == 1 else (shown,)
        yield Clouds(paths, str(paths[0]))
    for name in sorted(_names(folder) - {*frames, SEQUENCE_FILE}):
        if split_name(name)[1] in SINGLE:
            kind, path = _kind_of(folder / name), shown / name
            if kind in ("frame", "scan"):
                yield Clouds((path,), str(path))
            elif kind == "moving":
                yield MovingMeshes(path, "moving meshes", str(path))


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.name[0] != "." and path.is_file()}


def _frames(folder: Path) -> list[str]:
    """Names of the numbered files that are clouds, or can be read as such, in their order; the
    first one shows it."""
    numbered = [*find_numbered(folder, (*READ_ENDINGS, "npz")).names.values()]
    is_clouds = numbered and _kind_of(folder / numbered[0]) in ("frame", "still")
    return numbered if is_clouds else []


def _kind_of(path: Path) -> Kind:
    """What a file seems to hold, by its header."""
    ending = split_name(path.name)[1]
    if ending == "npz":
        return _kind_of_npz(path)
    if is_animated_name(path):
        return "moving" if _is_animated(path) else "still"
    return "frame"


def _kind_of_npz(path: Path) -> Kind:
    dimensions = dimensions_of_points(path)
    if dimensions:
        return "frame" if dimensions == 2 else "scan"
    try:
        return "moving" if {"vertices", "faces"} <= locate_arrays(path).keys() else "other"
    except (NpzError, OSError):
        return "other"


def _is_animated(path: Path) -> bool:
    try:
        return len(animated_seconds(path)) > 1
    except UserError as error:  # a library is missing
        warnings.warn(f"{path.name} is not shown: {error}", Advice, stacklevel=2)
        return False
    except (ValueError, OSError):
        return False
