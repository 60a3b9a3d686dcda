"""The files of a body that was reconstructed from somebody's pictures."""

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from im2mesh.data.batch import Observation
from im2mesh.data.cut_out import CutOut
from im2mesh.files.written import remove_written, replacing_files
from im2mesh.generation.inputs import write_observation
from im2mesh.generation.picture_windows import PictureSettings, PictureWindow
from im2mesh.meshing.mesh_sequence import refuse_other_npz

REPORT = "pictures.json"
INPUT = "input"
MESHES = "meshes"
SEQUENCE = "sequence.npz"


def write_windows(
    folder: Path,
    body: CutOut,
    windows: Iterable[PictureWindow],
    settings: PictureSettings,
    mesh_format: str | None,
    made_by: dict[str, Any],
) -> dict[str, Any]:
    """Write every window as soon as it is there, what the network saw, and a report of all.

    Returns:
        The report.

    Raises:
        UserError: If files of somebody else would be replaced.
    """
    _remove_earlier(folder)
    clock = np.linspace(0, 1, len(body.names), dtype=np.float32)
    write_observation(folder / INPUT, Observation(body.images, clock))
    written = []
    for window in windows:
        name = f"window_{window.first:05d}"
        meshes = window.meshes
        (folder / name).mkdir(parents=True, exist_ok=True)
        meshes.save(folder / name / SEQUENCE)
        if mesh_format is not None and not meshes.is_empty:
            meshes.save(folder / name / MESHES, mesh_format, duration=window.seconds)
        written.append(
            {
                "folder": name,
                "first": body.names[window.first],
                "pictures": window.count,
                "vertices": meshes.num_vertices,
            }
        )
    boxes = np.round(body.boxes, 4).tolist()
    report = {
        **asdict(settings),
        "windows": written,
        "bodies_in_the_square": dict(zip(body.names, boxes, strict=True)),
        "made_by": made_by,
    }
    with replacing_files(folder, [REPORT]) as place:
        (place / REPORT).write_text(json.dumps(report, indent=1))
    return report


def _remove_earlier(folder: Path) -> None:
    """Remove what this program wrote of other pictures, which may have had more windows."""
    for window in sorted(folder.glob("window_*")):
        refuse_other_npz(window / SEQUENCE)
        (window / SEQUENCE).unlink(missing_ok=True)
        remove_written(window / MESHES)
        with suppress(OSError):  # somebody else's files are there, too
            window.rmdir()
