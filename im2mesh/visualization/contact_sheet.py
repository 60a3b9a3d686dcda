"""One picture of input, prediction and truth over time, coloured by correspondence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont, ImageOps

from im2mesh.data.fields import mesh_path, read_surface_points, window_frame
from im2mesh.data.observation import Observation
from im2mesh.data.sequences import Window
from im2mesh.evaluation import Record
from im2mesh.meshing.io import Mesh, read_mesh
from im2mesh.meshing.sequence import position_colors
from im2mesh.predictions import Prediction
from im2mesh.rendering import BACKGROUND, Camera, Renderer, look_at

INPUT_COLOR = (70, 84, 104)
NEUTRAL_COLOR = (176, 180, 188)
INK, PALE_INK = (34, 40, 49), (122, 128, 138)
MARGIN, LABEL_WIDTH, TITLE_HEIGHT, TIME_HEIGHT, ROW_GAP = 24, 124, 36, 30, 18


@dataclass(frozen=True)
class Panel:
    """What is drawn of one window; positions in the window's coordinates.

    Attributes:
        title: Shown above the rows.
        truth: One mesh, or point cloud, per frame.
        prediction: Number of a frame -> mesh or point cloud, or None; frames may be missing.
        inputs: Number of a frame -> observed cloud [N, 3] or RGB image [3, H, W] in [0, 1].
        iou: Of the frames for which it is known.
    """

    title: str
    truth: Sequence[Mesh]
    prediction: Mapping[int, Mesh] | None = None
    inputs: Mapping[int, np.ndarray] | None = None
    iou: Mapping[int, float] | None = None

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
    return Panel(
        title=f"{window.clip}, frames {window.start} to {window.start + window.num_frames - 1}",
        truth=[_read_truth(root, window, k) for k in range(window.num_frames)],
        prediction=prediction,
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
    """
    if not panels:
        raise ValueError("a contact sheet needs at least one window")
    cameras, cell_width = _cameras(panels, cell_height)
    sheet = _Sheet(panels, num_columns, cell_width, cell_height)
    with Renderer(cell_width, cell_height) as renderer:
        for panel, camera in zip(panels, cameras, strict=True):
            sheet.draw_panel(panel, renderer, camera)
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.image.save(path, optimize=True)


class _Sheet:
    """The picture as it grows from top to bottom."""

    def __init__(
        self, panels: Sequence[Panel], num_columns: int, cell_width: int, cell_height: int
    ) -> None:
        self.num_columns = num_columns
        self.cell_width, self.cell_height = cell_width, cell_height
        num_rows = sum(len(_rows(panel)) for panel in panels)
        width = 2 * MARGIN + LABEL_WIDTH + num_columns * cell_width
        height = (
            2 * MARGIN
            + len(panels) * (TITLE_HEIGHT + TIME_HEIGHT)
            + num_rows * (cell_height + ROW_GAP)
        )
        self.image = Image.new("RGB", (width, height), BACKGROUND)
        self.pen = ImageDraw.Draw(self.image)
        self.top = MARGIN

    def draw_panel(self, panel: Panel, renderer: Renderer, camera: Camera) -> None:
        self._write(MARGIN, self.top + TITLE_HEIGHT // 2, panel.title, 22, INK, "lm")
        self.top += TITLE_HEIGHT
        frames = np.linspace(0, panel.num_frames - 1, self.num_columns).round().astype(int)
        for column, frame in enumerate(frames):
            time = frame / max(panel.num_frames - 1, 1)
            self._write(
                self._middle(column), self.top + TIME_HEIGHT // 2, f"t = {time:.2f}", 17, PALE_INK
            )
        self.top += TIME_HEIGHT
        for name in _rows(panel):
            self._write(MARGIN, self.top + self.cell_height // 2, name, 19, INK, "lm")
            for column, frame in enumerate(frames):
                picture = _draw_cell(panel, name, int(frame), renderer, camera)
                place = (MARGIN + LABEL_WIDTH + column * self.cell_width, self.top)
                self.image.paste(Image.fromarray(picture), place)
                if name == "prediction" and panel.iou and int(frame) in panel.iou:
                    text = f"IoU {panel.iou[int(frame)]:.2f}"
                    bottom = self.top + self.cell_height + ROW_GAP // 4
                    self._write(self._middle(column), bottom, text, 16, PALE_INK)
            self.top += self.cell_height + ROW_GAP

    def _middle(self, column: int) -> int:
        return MARGIN + LABEL_WIDTH + column * self.cell_width + self.cell_width // 2

    def _write(
        self, x: int, y: int, text: str, size: int, color: tuple[int, int, int], anchor: str = "mm"
    ) -> None:
        self.pen.text((x, y), text, color, ImageFont.load_default(size), anchor)


def _rows(panel: Panel) -> list[str]:
    has = {"input": panel.inputs, "prediction": panel.prediction, "truth": panel.truth}
    return [name for name, content in has.items() if content is not None]


def _draw_cell(
    panel: Panel, row: str, frame: int, renderer: Renderer, camera: Camera
) -> UInt8[np.ndarray, "height width 3"]:
    if row == "input":
        return _draw_input(panel.inputs or {}, frame, renderer, camera)
    meshes = dict(enumerate(panel.truth)) if row == "truth" else panel.prediction or {}
    if frame not in meshes:
        return renderer.empty_image()
    mesh, colors = meshes[frame], _colors(meshes, frame, panel.truth[0])
    if len(mesh.faces):
        return renderer.render_mesh(mesh.vertices, mesh.faces, colors, camera)
    return renderer.render_points(mesh.vertices, colors, camera, diameter=3.0)


def _draw_input(
    inputs: Mapping[int, np.ndarray], frame: int, renderer: Renderer, camera: Camera
) -> UInt8[np.ndarray, "height width 3"]:
    """The observed cloud or image of a frame; nothing where it was not observed."""
    if frame not in inputs:
        return renderer.empty_image()
    observed = inputs[frame]
    if observed.ndim == 2:
        colors = np.full(observed.shape, INPUT_COLOR, np.uint8)
        return renderer.render_points(observed, colors, camera, diameter=5.0)
    image = Image.fromarray(np.rint(255 * observed.transpose(1, 2, 0)).astype(np.uint8))
    cell = Image.new("RGB", (renderer.width, renderer.height), BACKGROUND)
    fitted = ImageOps.contain(image, cell.size)
    place = ((cell.width - fitted.width) // 2, (cell.height - fitted.height) // 2)
    cell.paste(fitted, place)
    return np.asarray(cell)


def _inputs_by_frame(observation: Observation, window: Window) -> dict[int, np.ndarray] | None:
    """Observed frames with their numbers in the window; None if nothing is observed."""
    frames = np.rint(observation.times * (window.num_frames - 1)).astype(int).tolist()
    return dict(zip(frames, observation.inputs, strict=True)) or None


def _colors(meshes: Mapping[int, Mesh], frame: int, box_of: Mesh) -> UInt8[np.ndarray, "V 3"]:
    """Colours of the first frame; grey if this frame's vertices are not those of the first."""
    first, mesh = meshes[0], meshes[frame]
    if first.vertices.shape != mesh.vertices.shape or not np.array_equal(first.faces, mesh.faces):
        return np.full(mesh.vertices.shape, NEUTRAL_COLOR, np.uint8)
    low, high = box_of.vertices.min(axis=0), box_of.vertices.max(axis=0)
    return position_colors(first.vertices, low, high)


def _cameras(panels: Sequence[Panel], cell_height: int) -> tuple[list[Camera], int]:
    """One camera per window, all of one scale, and the width of a cell."""
    shown = [[*panel.truth, *(panel.prediction or {}).values()] for panel in panels]
    views = [look_at(np.concatenate([mesh.vertices for mesh in meshes])) for meshes in shown]
    half_width, half_height = 1.06 * np.max([half for _, half in views], axis=0)
    cameras = [Camera(camera.center, float(half_height)) for camera, _ in views]
    return cameras, max(1, round(cell_height * half_width / half_height))


def _read_truth(root: Path | str, window: Window, frame: int) -> Mesh:
    path = mesh_path(root, window, frame)
    if path is None:
        points = read_surface_points(root, window, frame).points
        return Mesh(points, np.zeros((0, 3), np.int32))
    mesh = read_mesh(path)
    vertices = window_frame(root, window).from_world(mesh.vertices.astype(np.float64))
    return Mesh(vertices.astype(np.float32), mesh.faces)
