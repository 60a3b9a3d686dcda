"""A file of moving meshes, or the folder of a reconstructed scan -> what is shown of it."""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float

from im2mesh.data.scans import Scan, Up, guess_up, read_scan, to_y_up
from im2mesh.data.transforms import NormalizationFrame, bounding_frame
from im2mesh.errors import UserError
from im2mesh.meshing.animated_file import is_animated_name, is_usd
from im2mesh.meshing.formats.gltf.read_moving import keyframe_seconds
from im2mesh.meshing.formats.usd.read import usd_seconds
from im2mesh.meshing.frame_meshes import load_reconstruction
from im2mesh.meshing.mesh import Mesh
from im2mesh.meshing.mesh_sequence import MeshSequence
from im2mesh.runs.folder import SCAN_FILE, SEQUENCE_FILE
from im2mesh.visualization.panel import Panel


@dataclass(frozen=True)
class MovingFile:
    """Moving meshes, upright and of size 1 in their first frame.

    Attributes:
        file: Where they were read.
        panel: The meshes as a prediction, without a truth.
        times: Times of the frames, from 0 to 1.
        duration: Seconds from time 0 to 1; None if nobody knows.
    """

    file: Path
    panel: Panel
    times: Float[np.ndarray, "T"]
    duration: float | None


def is_moving_file(path: Path) -> bool:
    """Whether a path is that of moving meshes, and not of a run."""
    is_one = is_animated_name(path) or path.suffix.lower() == ".npz"
    return is_one or (path / SEQUENCE_FILE).is_file()


def read_moving_file(path: Path, clouds: Sequence[Path] = (), up: Up = "auto") -> MovingFile:
    """Read moving meshes.

    Args:
        path: sequence.npz, a moving .glb or .usdc, or a folder with sequence.npz.
        clouds: The clouds from which the meshes were made, to be shown beside them.
        up: The axis that points up; auto takes the longer one of y and z.

    Raises:
        UserError: If there is no readable file, or not one cloud for each frame.
    """
    file = path / SEQUENCE_FILE if path.is_dir() else path
    is_animated = is_animated_name(file)
    meshes = MeshSequence.load(file) if is_animated else load_reconstruction(file)
    if meshes.meshes[0].is_empty:
        raise UserError(
            f"{file}: the mesh of its first frame is empty, so there is nothing to show"
        )
    report = file.parent / SCAN_FILE
    duration = _length(animated_seconds(file)) if is_animated else _scan_seconds(report)
    first = meshes.meshes[0].vertices
    axis = guess_up(Scan((first,), np.zeros(1), ("first",)), up)
    frame = bounding_frame(to_y_up(first, axis))
    shown = {k: _placed(mesh, axis, frame) for k, mesh in enumerate(meshes.meshes)}
    panel = Panel(path.stem, [], shown, _inputs(clouds, len(shown), axis, frame))
    return MovingFile(file, panel, meshes.times, duration)


def _placed(mesh: Mesh, up: str, frame: NormalizationFrame) -> Mesh:
    upright = to_y_up(mesh.vertices.astype(np.float64), up)
    return replace(mesh, vertices=frame.from_world(upright).astype(np.float32))


def _inputs(
    clouds: Sequence[Path], count: int, up: str, frame: NormalizationFrame
) -> dict[int, np.ndarray] | None:
    if not clouds:
        return None
    scan = read_scan(list(clouds))
    if len(scan.clouds) != count:
        raise UserError(
            f"--clouds has {len(scan.clouds)} clouds and the file {count} frames; give the clouds "
            "from which it was made"
        )
    upright = [to_y_up(cloud, up) for cloud in scan.clouds]
    return {k: frame.from_world(cloud).astype(np.float32) for k, cloud in enumerate(upright)}


def animated_seconds(path: Path) -> Float[np.ndarray, "T"]:
    """When the frames of an animated file are shown; a single 0 if it does not move.

    Raises:
        ValueError: If it is broken, or holds what is not understood.
        UserError: If usd-core, which .usdc needs, is not installed.
    """
    return usd_seconds(path) if is_usd(path) else keyframe_seconds(path)


def _length(seconds: Float[np.ndarray, "T"]) -> float | None:
    return float(seconds[-1] - seconds[0]) or None


def _scan_seconds(report: Path) -> float | None:
    """Seconds from the first frame of a scan to its last; None without a readable report, or where
    frames were only counted, as generate.py does without --times."""
    with suppress(OSError, ValueError, LookupError, TypeError, AttributeError):
        told = json.loads(report.read_text("utf-8"))
        times = [float(frame["time"]) for frame in told["frames"]]
        were_counted = all(time.is_integer() for time in times)  # if an older report does not say
        if told.get("times_in_seconds", not were_counted):
            return times[-1] - times[0]
    return None
