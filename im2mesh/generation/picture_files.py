"""The files of a body that was reconstructed from somebody's pictures."""

import json
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from im2mesh.data.batch import Observation
from im2mesh.data.cut_out import CutOut
from im2mesh.files.written import refuse_foreign, remove_written, replacing_files
from im2mesh.generation.inputs import is_observed_file, write_observation
from im2mesh.generation.picture_windows import PictureSettings, PictureWindow
from im2mesh.generation.sources import earlier_report, refuse_other_source
from im2mesh.meshing.mesh_sequence import refuse_other_npz
from im2mesh.runs.folder import PICTURES_FILE, SEEN_FOLDER, WindowFolder


def write_windows(
    folder: Path,
    body: CutOut,
    windows: Iterable[PictureWindow],
    settings: PictureSettings,
    mesh_format: str | None,
    notes: dict[str, Any],
) -> dict[str, Any]:
    """Write every window as soon as it is there, what the network saw, and then a report of all.

    Args:
        notes: What made the meshes, and of what; a part of the report.

    Returns:
        The report.

    Raises:
        UserError: If files of somebody else would be replaced.
    """
    _remove_earlier(folder)
    clock = np.linspace(0, 1, len(body.names), dtype=np.float32)
    write_observation(folder / SEEN_FOLDER, Observation(body.images, clock))
    written = [
        _write_window(
            WindowFolder(folder / f"window_{window.first:05d}"), window, body, mesh_format
        )
        for window in windows
    ]
    boxes = np.round(body.boxes, 4).tolist()
    report = {
        **asdict(settings),
        **notes,
        "windows": written,
        "bodies_in_the_square": dict(zip(body.names, boxes, strict=True)),
    }
    with replacing_files(folder, [PICTURES_FILE]) as place:
        (place / PICTURES_FILE).write_text(json.dumps(report, indent=1))
    return report


def refuse_result_of_others(folder: Path, source: str) -> None:
    """Refuse a folder with the result of other pictures, or with files of somebody else.

    Raises:
        UserError: Naming what is there.
    """
    refuse_other_source(folder, PICTURES_FILE, source)
    refuse_foreign(folder / SEEN_FOLDER, is_observed_file)


def _write_window(
    files: WindowFolder, window: PictureWindow, body: CutOut, mesh_format: str | None
) -> dict[str, Any]:
    meshes = window.meshes
    files.path.mkdir(parents=True, exist_ok=True)
    meshes.save(files.sequence)
    if mesh_format is not None and not meshes.is_empty:
        meshes.save(files.meshes, mesh_format, duration=window.seconds)
    return {
        "folder": files.path.name,
        "first": body.names[window.first],
        "pictures": window.count,
        "vertices": meshes.num_vertices,
    }


def _remove_earlier(folder: Path) -> None:
    """Remove the windows that an earlier report lists; there may have been more of them."""
    names = [
        str(window["folder"]) for window in earlier_report(folder, PICTURES_FILE).get("windows", [])
    ]
    (folder / PICTURES_FILE).unlink(missing_ok=True)  # first: without windows it would be wrong
    for name in filter(re.compile("window_[0-9]{5}").fullmatch, names):
        files = WindowFolder(folder / name)
        refuse_other_npz(files.sequence)
        files.sequence.unlink(missing_ok=True)
        remove_written(files.meshes)
        with suppress(OSError):  # somebody else's files are there, too
            files.path.rmdir()
