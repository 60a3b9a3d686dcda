"""One picture of moving bodies: a named row for each, columns over time."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from im2mesh.meshing.frame_meshes import Reconstruction
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
    shown = [mesh.vertices for body in motions.values() for mesh in body.meshes]
    points = np.concatenate([np.zeros((0, 3), np.float32), *shown])
    if len(points) == 0:
        raise ValueError("every mesh is empty, so there is nothing to draw")
    times = next(iter(motions.values())).times
    frames = spread_frames(len(times), min(num_columns, len(times)))
    rows = {name: [_cell(body, int(k)) for k in frames] for name, body in motions.items()}
    draw_sections([Section(title, times[frames], rows, points)], path, cell_height, origin=origin)


def _cell(body: Reconstruction, frame: int) -> Cell:
    first, mesh = body.meshes[0], body.meshes[frame]
    if mesh.is_empty:
        return Cell(caption="empty")
    return Cell(replace(mesh, colors=correspondence_colors(first, mesh, box_of=first)))
