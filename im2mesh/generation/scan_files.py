"""The files of a scan's reconstruction: moving meshes, distances to what was observed, a report."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from im2mesh.data.layout import CLOUD_FOLDER, DEPTH_FOLDER
from im2mesh.data.scans import METRES, Scan, Unit
from im2mesh.files.written import refuse_foreign, remove_written, replacing_files
from im2mesh.generation.fitting.residuals import OF_ANOTHER
from im2mesh.generation.scan import ScanResult
from im2mesh.generation.sources import refuse_other_source
from im2mesh.meshing.animated_file import animated_path
from im2mesh.meshing.io import is_numbered_mesh
from im2mesh.meshing.mesh_sequence import refuse_other_npz
from im2mesh.meshing.pieces import count_pieces
from im2mesh.runs.folder import SCAN_FILE, SEQUENCE_FILE

RESIDUALS = "residuals.npz"
MESHES = "meshes"
SUSPECT = 0.2
"""Share of points far from the surface from which a frame is not to be trusted."""


def result_name(clouds: Path) -> str:
    """Name of the folder of a result: that of the clouds, with the clip of a data set before it."""
    if clouds.name in (CLOUD_FOLDER, DEPTH_FOLDER):
        return f"{clouds.parent.name}_{clouds.name}"
    return clouds.stem


def refuse_files_of_others(folder: Path, source: str, mesh_format: str | None) -> None:
    """Refuse a folder with the result of something else, or with files of somebody else under the
    names of a result. Asked before a fit, it saves the minutes of one whose result has no place.

    Raises:
        UserError: Naming what is there.
    """
    refuse_other_source(folder, SCAN_FILE, source)
    refuse_foreign(folder, lambda name: name == RESIDUALS)
    refuse_other_npz(folder / SEQUENCE_FILE)
    if mesh_format is not None:
        animated = animated_path(folder / MESHES, mesh_format)
        mine = is_numbered_mesh if animated is None else lambda name: name == animated.name
        refuse_foreign(folder / MESHES, mine)


def write_scan(
    folder: Path,
    result: ScanResult,
    scan: Scan,
    unit: Unit,
    mesh_format: str | None,
    notes: dict[str, Any],
) -> dict[str, Any]:
    """Write all files of a result, and return its report.

    Args:
        notes: What made the meshes, and of what; a part of the report.

    Raises:
        UserError: If files of somebody else would be replaced.
    """
    report = {**scan_report(result, scan, unit), **notes}
    folder.mkdir(parents=True, exist_ok=True)
    result.meshes.save(folder / SEQUENCE_FILE)
    remove_written(folder / MESHES)  # of an earlier result, perhaps in another format
    if mesh_format is not None:
        is_animated = animated_path(folder / MESHES, mesh_format) is not None
        meshes = result.in_metres(unit) if is_animated else result.meshes
        meshes.save(folder / MESHES, mesh_format, _seconds(scan))
    with replacing_files(folder, [RESIDUALS, SCAN_FILE]) as place:
        length = result.frame.scale
        np.savez(
            place / RESIDUALS,
            vertices=(length * result.of_vertices).astype(np.float32),
            times=scan.times,
        )
        (place / SCAN_FILE).write_text(json.dumps(report, indent=1))
    return report


def _seconds(scan: Scan) -> float | None:
    """From the first frame to the last; None where frames were only counted, or there is one."""
    return float(scan.times[-1] - scan.times[0]) or None if scan.in_seconds else None


def scan_report(result: ScanResult, scan: Scan, unit: Unit) -> dict[str, Any]:
    """Numbers on every frame; lengths in millimetres."""
    to_mm = 1000 * METRES[unit] * result.frame.scale
    residuals = result.residuals
    frames = [
        {
            "name": scan.names[k],
            "time": float(scan.times[k]),
            "points": len(cloud),
            "median_mm": round(to_mm * float(residuals.median[k]), 3),
            "quantile_95_mm": round(to_mm * float(residuals.high[k]), 3),
            "far_share": round(float(residuals.foreign[k]), 4),
        }
        for k, cloud in enumerate(scan.clouds)
    ]
    return {
        "unit": unit,
        "times_in_seconds": scan.in_seconds,
        "body_mm": round(to_mm, 1),
        "key_frame": scan.names[result.key],
        "vertices": result.meshes.num_vertices,
        "faces": result.meshes.num_faces,
        "pieces": count_pieces(result.meshes.meshes[0]),
        "frames": frames,
    }


def tell_suspects(report: dict[str, Any]) -> list[str]:
    """What a user should look at, one message for each: a surface of several pieces, and frames in
    which many points are far from it."""
    pieces = report["pieces"]
    whole = (
        f"the surface has {pieces} pieces, and a body is one. The others are hollows in it, or "
        "lumps beside it that stray points made: take these points out of the clouds, or raise "
        "generation.smallest_piece, which leaves out small pieces"
    )
    return [whole] * (pieces > 1) + [
        f"{frame['name']}: {frame['far_share']:.0%} of the points are farther than "
        f"{OF_ANOTHER * report['body_mm'] / 10:.0f} cm from the surface; do not trust it there"
        for frame in report["frames"]
        if frame["far_share"] >= SUSPECT
    ]
