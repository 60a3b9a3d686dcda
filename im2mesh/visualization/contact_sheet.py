"""One picture of input, prediction and truth over time, coloured by correspondence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from im2mesh.data.fields import mesh_path, read_surface_points, window_frame
from im2mesh.data.observation import Observation
from im2mesh.data.sequences import Window
from im2mesh.evaluation import Record
from im2mesh.meshing.io import Mesh, read_mesh
from im2mesh.predictions import Prediction
from im2mesh.visualization.sheet import (
    Cell,
    Section,
    correspondence_colors,
    draw_sections,
    spread_frames,
)
from im2mesh.visualization.vertex_errors import VertexErrors

INPUT_COLOR = (70, 84, 104)


@dataclass(frozen=True)
class Panel:
    """What is drawn of one window; positions in the window's coordinates.

    Attributes:
        title: Shown above the rows.
        truth: One mesh, or point cloud, per frame.
        prediction: Number of a frame -> mesh or point cloud, or None; frames may be missing.
        inputs: Number of a frame -> observed cloud [N, 3] or RGB image [3, H, W] in [0, 1].
        iou: Of the frames for which it is known.
        errors: Of the vertices of the prediction.
    """

    title: str
    truth: Sequence[Mesh]
    prediction: Mapping[int, Mesh] | None = None
    inputs: Mapping[int, np.ndarray] | None = None
    iou: Mapping[int, float] | None = None
    errors: VertexErrors | None = None

    @property
    def num_frames(self) -> int:
        return len(self.truth)


def read_panel(
    root: Path | str,
    window: Window,
    prediction: Prediction | None = None,
    observation: Observation | None = None,
    records: Sequence[Record] = (),
) -> Panel:
    """Collect what is drawn of a window.

    The truth is the mesh of mesh_seq (world coordinates) where the clip has one, else the points of
    pcl_seq.

    Args:
        root: Data folder.
        window: Which frames.
        prediction: In the window's coordinates, for example from `PredictedMeshes.read`.
        observation: What was observed.
        records: Of an evaluation; those of other windows are ignored.
    """
    identity = (window.category, window.clip, window.start)
    last = window.index(window.num_frames - 1)
    return Panel(
        title=f"{window.clip}, frames {window.start} to {last}",
        truth=[_read_truth(root, window, k) for k in range(window.num_frames)],
        prediction=None if prediction is None else prediction.meshes,
        inputs=None if observation is None else _inputs_by_frame(observation, window),
        iou={
            r.frame: r.value
            for r in records
            if r.metric == "iou" and (r.category, r.clip, r.start) == identity
        },
    )


def draw_contact_sheet(
    panels: Sequence[Panel],
    path: Path | str,
    num_columns: int = 6,
    cell_height: int = 300,
    origin: str = "",
) -> None:
    """Draw the windows below each other: rows input, prediction and truth, columns frames.

    Equal colours mean equal places on the body: both the prediction and the truth are coloured by
    their own position in the first frame, in the same box, and keep the colours over time. A
    prediction without correspondence is grey. All windows share one scale.

    Args:
        panels: One per window, at least one.
        path: Of the picture, .png.
        num_columns: Frames shown, evenly spread from first to last.
        cell_height: Of one image, in pixels.
        origin: What made the meshes; noted inside the file.
    """
    if not panels:
        raise ValueError("a contact sheet needs at least one window")
    sections = [_section(panel, num_columns) for panel in panels]
    draw_sections(sections, path, cell_height, origin=origin)


def _section(panel: Panel, num_columns: int) -> Section:
    frames = spread_frames(panel.num_frames, num_columns)
    rows = {}
    if panel.inputs is not None:
        rows["input"] = [input_cell(panel.inputs, int(frame)) for frame in frames]
    if panel.prediction is not None:
        rows["prediction"] = [_prediction_cell(panel, int(frame)) for frame in frames]
    truth = dict(enumerate(panel.truth))
    rows["truth"] = [_mesh_cell(truth, int(frame), panel.truth[0]) for frame in frames]
    shown = [*panel.truth, *(panel.prediction or {}).values()]
    return Section(
        panel.title,
        frames / max(panel.num_frames - 1, 1),
        rows,
        np.concatenate([mesh.vertices for mesh in shown]),
    )


def input_cell(inputs: Mapping[int, np.ndarray], frame: int) -> Cell:
    """The observed cloud or image of a frame; nothing where it was not observed."""
    observed = inputs.get(frame)
    if observed is None or observed.ndim == 3:
        return Cell(observed)
    colors = np.full(observed.shape, INPUT_COLOR, np.uint8)
    return Cell(Mesh(observed, np.zeros((0, 3), np.int32), colors), diameter=5.0)


def _prediction_cell(panel: Panel, frame: int) -> Cell:
    cell = _mesh_cell(panel.prediction or {}, frame, panel.truth[0])
    iou = (panel.iou or {}).get(frame)
    return cell if iou is None else replace(cell, caption=f"IoU {iou:.2f}")


def _mesh_cell(meshes: Mapping[int, Mesh], frame: int, box_of: Mesh) -> Cell:
    if frame not in meshes:
        return Cell()
    first, mesh = meshes.get(0), meshes[frame]
    return Cell(replace(mesh, colors=correspondence_colors(first, mesh, box_of)))


def _inputs_by_frame(observation: Observation, window: Window) -> dict[int, np.ndarray] | None:
    """Observed frames with their numbers in the window; None if nothing is observed."""
    frames = np.rint(observation.times * (window.num_frames - 1)).astype(int).tolist()
    return dict(zip(frames, observation.inputs, strict=True)) or None


def _read_truth(root: Path | str, window: Window, frame: int) -> Mesh:
    path = mesh_path(root, window, frame)
    if path is None:
        points = read_surface_points(root, window, frame).points
        return Mesh(points, np.zeros((0, 3), np.int32))
    mesh = read_mesh(path)
    vertices = window_frame(root, window).from_world(mesh.vertices.astype(np.float64))
    return Mesh(vertices.astype(np.float32), mesh.faces)
