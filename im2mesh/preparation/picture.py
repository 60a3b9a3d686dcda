"""A picture of the first, the middle and the last frame of a clip, as they were written."""

from pathlib import Path

import numpy as np

from im2mesh.data.clip_files import frame_numbers
from im2mesh.data.frames import StoredWindow
from im2mesh.data.layout import MESH_FOLDER, Window
from im2mesh.meshing.mesh import Mesh
from im2mesh.visualization.sheet import (
    Cell,
    Section,
    correspondence_colors,
    draw_sections,
    spread_frames,
)

_INSIDE_COLOR = (196, 120, 92)
_MOST_POINTS = 4000  # more points hide each other


def clip_section(root: Path, category: str, clip: str, corresponds: bool = True) -> Section:
    """What a clip holds: meshes, surface points, and the points that are labelled inside.

    Equal colours mean equal rows or vertices; without correspondence all are grey.
    """
    numbers = frame_numbers(root, category, clip)
    stored = StoredWindow(root, Window(category, clip, 0, len(numbers)))
    frames = spread_frames(len(numbers), 3).tolist()
    clouds = [Mesh.of_points(stored.surface_points(k).points) for k in frames]
    rows = {}
    if (stored.clip_folder / MESH_FOLDER).is_dir():
        rows["mesh"] = _colored([stored.mesh(k) for k in frames], corresponds)
    rows["surface"] = _colored([_thinned(cloud) for cloud in clouds], corresponds)
    if stored.has_labels():
        rows["inside"] = [_inside(stored, k) for k in frames]
    shown = ", ".join(str(numbers[k]) for k in frames)
    return Section(
        f"{category}/{clip}, frames {shown} of {len(numbers)}",
        np.array(frames) / max(len(numbers) - 1, 1),
        rows,
        np.concatenate([cloud.vertices for cloud in clouds]),
    )


def draw_clip(root: Path, category: str, clip: str, corresponds: bool, origin: str) -> Path:
    """Draw a clip beside its data; the path of the picture.

    Raises:
        UserError: If pyvista is missing, or another picture has that name.
    """
    path = root / category / f"{clip}.png"
    draw_sections([clip_section(root, category, clip, corresponds)], path, 300, origin=origin)
    return path


def _colored(meshes: list[Mesh | None], corresponds: bool) -> list[Cell]:
    first = meshes[0] if corresponds else None
    return [Cell() if mesh is None else _colored_cell(first, mesh) for mesh in meshes]


def _colored_cell(first: Mesh | None, mesh: Mesh) -> Cell:
    colors = correspondence_colors(first, mesh, first or mesh)
    return Cell(Mesh(mesh.vertices, mesh.faces, colors))


def _thinned(cloud: Mesh) -> Mesh:
    step = max(1, len(cloud.vertices) // _MOST_POINTS)
    return Mesh.of_points(cloud.vertices[::step])


def _inside(stored: StoredWindow, frame: int) -> Cell:
    labelled = stored.labelled_points(frame)
    points = _thinned(Mesh.of_points(labelled.points[labelled.occupancy])).vertices
    return Cell(Mesh.of_points(points, np.full(points.shape, _INSIDE_COLOR, np.uint8)))
