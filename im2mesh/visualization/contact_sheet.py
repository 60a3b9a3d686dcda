"""One picture of input, prediction and truth over time, coloured by correspondence."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float

from im2mesh.data.batch import Observation
from im2mesh.data.frames import StoredWindow
from im2mesh.evaluation.predictions import Prediction
from im2mesh.evaluation.records import Record
from im2mesh.meshing.mesh import Mesh
from im2mesh.visualization.panel import Panel
from im2mesh.visualization.sheet import (
    Cell,
    Section,
    correspondence_colors,
    draw_sections,
    input_cell,
    spread_frames,
)


def read_panel(
    stored: StoredWindow,
    prediction: Prediction | None = None,
    observation: Observation | None = None,
    records: Sequence[Record] = (),
) -> Panel:
    """Collect the contents of the picture of a window.

    The truth is the mesh of mesh_seq (world coordinates) where the clip has one, else the points of
    pcl_seq.

    Args:
        stored: Window with the true frames.
        prediction: Prediction in the window's coordinates, such as `PredictedMeshes.read` returns.
        observation: Observation of the window.
        records: Records of an evaluation; those of other windows are ignored.
    """
    window = stored.window
    last = window.index(window.num_frames - 1)
    return Panel(
        title=f"{window.clip}, frames {window.start} to {last}",
        truth=[_read_truth(stored, k) for k in range(window.num_frames)],
        prediction=None if prediction is None else prediction.meshes,
        inputs=None
        if observation is None
        else inputs_by_frame(observation, np.linspace(0.0, 1.0, window.num_frames)),
        iou={r.frame: r.value for r in records if r.metric == "iou" and r.window == window.id},
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
        panels: One panel per window, at least one.
        path: Path of the picture, .png.
        num_columns: Number of frames shown, evenly spread from first to last.
        cell_height: Height of one image in pixels.
        origin: Description of what made the meshes, stored in the file's metadata.
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


def _prediction_cell(panel: Panel, frame: int) -> Cell:
    cell = _mesh_cell(panel.prediction or {}, frame, panel.truth[0])
    iou = (panel.iou or {}).get(frame)
    return cell if iou is None else replace(cell, caption=f"IoU {iou:.2f}")


def _mesh_cell(meshes: Mapping[int, Mesh], frame: int, box_of: Mesh) -> Cell:
    if frame not in meshes:
        return Cell()
    first, mesh = meshes.get(0), meshes[frame]
    return Cell(replace(mesh, colors=correspondence_colors(first, mesh, box_of)))


def inputs_by_frame(
    observation: Observation, times: Float[np.ndarray, "T"]
) -> dict[int, np.ndarray] | None:
    """Observed frames with their numbers in a window; None if nothing is observed.

    Args:
        times: Of the frames of the window, from 0 to 1, in any distances. What is observed are some
            of these frames.
    """
    if not len(observation.inputs):
        return None
    frames = np.abs(times[:, None] - observation.times).argmin(0).tolist()
    return dict(zip(frames, observation.inputs, strict=True))


def _read_truth(stored: StoredWindow, frame: int) -> Mesh:
    mesh = stored.mesh(frame)
    if mesh is None:
        return Mesh.of_points(stored.surface_points(frame).points)
    return mesh
