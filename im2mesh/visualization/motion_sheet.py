"""One picture of moving bodies: over time, or of the motions of some on the bodies of others."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float

from im2mesh.meshing.frame_meshes import Reconstruction
from im2mesh.meshing.mesh import Mesh
from im2mesh.visualization.sheet import (
    Cell,
    Section,
    correspondence_colors,
    draw_sections,
    spread_frames,
)


def draw_motions(
    title: str,
    motions: Mapping[str, Reconstruction],
    path: Path | str,
    num_columns: int = 6,
    cell_height: int = 300,
    origin: str = "",
) -> None:
    """Draw bodies below each other, all seen by one camera.

    Each body is coloured by position in its own first frame, within its own bounding box, and keeps
    the colours over time. Equal colours are equal points of a surface, and in different rows equal
    places relative to the body. Bodies without correspondence are grey after the first frame.

    Args:
        title: Text above the rows.
        motions: Name of a row -> meshes in normalised coordinates, all at the same times. The cells
            of empty meshes say so.
        path: Path of the picture, .png.
        num_columns: Number of times shown, evenly spread from first to last; at most all.
        cell_height: Height of one image in pixels.
        origin: Description of what made the meshes, stored in the file's metadata.

    Raises:
        ValueError: If there is nothing to see in any row.
    """
    shown = [mesh for body in motions.values() for mesh in body.meshes]
    points = _in_view(shown)
    times = next(iter(motions.values())).times
    frames = spread_frames(len(times), min(num_columns, len(times)))
    rows = {name: [_cell(body, int(k)) for k in frames] for name, body in motions.items()}
    draw_sections([Section(title, times[frames], rows, points)], path, cell_height, origin=origin)


def draw_grid(
    title: str,
    motions: Mapping[str, Reconstruction],
    path: Path | str,
    *,
    rows: Mapping[str, Sequence[str]],
    columns: Sequence[str],
    cell_height: int = 300,
    origin: str = "",
) -> None:
    """Draw how each body moves as each of others: a row per body, a column per motion.

    The first column shows the bodies at t = 0, the first row those whose motion it is; all else is
    drawn at t = 1. Rows and columns are numbered, and names, which may be long, stand at the left.
    Colours are those of `draw_motions`.

    Args:
        motions: Name -> meshes, for all names of `rows` and `columns`.
        rows: Name of a body -> names of the same body with each of the motions.
        columns: Names of those whose motion is shown.

    Raises:
        ValueError: If there is nothing to see.
    """
    headings = ["t = 0", *(f"motion {number}" for number in range(1, len(columns) + 1))]
    cells = {"motions": [Cell(), *(last_cell(motions[name]) for name in columns)]}
    notes = {"motions": [f"{number}: {name}" for number, name in enumerate(columns, 1)]}
    for number, (body, moved) in enumerate(rows.items(), 1):
        row = f"body {number}"
        cells[row] = [_cell(motions[body], 0), *(last_cell(motions[name]) for name in moved)]
        notes[row] = [body]
    shown = [body.meshes[k] for body in motions.values() for k in (0, -1)]
    times = np.array([0.0, *(1.0 for _ in columns)])
    section = Section(title, times, cells, _in_view(shown), notes, headings)
    draw_sections([section], path, cell_height, origin=origin)


def last_cell(body: Reconstruction) -> Cell:
    """A body at t = 1, coloured as by `draw_motions`."""
    return _cell(body, -1)


def _in_view(meshes: Sequence[Mesh]) -> Float[np.ndarray, "N 3"]:
    points = np.concatenate([np.zeros((0, 3), np.float32), *(mesh.vertices for mesh in meshes)])
    if len(points) == 0:
        raise ValueError("every mesh is empty, so there is nothing to draw")
    return points


def _cell(body: Reconstruction, frame: int) -> Cell:
    first, mesh = body.meshes[0], body.meshes[frame]
    if mesh.is_empty:
        return Cell(caption="empty")
    return Cell(replace(mesh, colors=correspondence_colors(first, mesh, box_of=first)))
