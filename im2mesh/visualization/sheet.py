"""The drawing of sheets: titled sections of named rows, with one cell per time."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int, UInt8
from PIL import Image, ImageDraw, ImageFont, ImageOps
from PIL.PngImagePlugin import PngInfo

from im2mesh.files.atomic import atomic_file
from im2mesh.files.results import ORIGIN_KEY, refuse_other_picture
from im2mesh.meshing.colors import position_colors
from im2mesh.meshing.mesh import Mesh
from im2mesh.meshing.rendering import BACKGROUND, Camera, Renderer, Surroundings, look_at

NEUTRAL_COLOR = (176, 180, 188)
INPUT_COLOR = (70, 84, 104)
INK, PALE_INK = (34, 40, 49), (122, 128, 138)
MARGIN, LABEL_WIDTH, TITLE_HEIGHT, TIME_HEIGHT, ROW_GAP = 24, 124, 36, 30, 18
MIN_CELL_WIDTH = 76  # room for "t = 0.00" above it
TITLE_SIZE, NAME_SIZE, NOTE_SIZE = 22, 19, 15


@dataclass(frozen=True)
class Cell:
    """The picture in one row at one time.

    Attributes:
        content: A mesh with colours, a cloud with colours (no faces), or an RGB image [3, H, W] in
            [0, 1]; None leaves the cell empty.
        caption: Text below the picture.
        diameter: Diameter of the points of a cloud, in pixels.
        even_light: Whether to shade so little that colours can be read off a scale.
    """

    content: Mesh | Float[np.ndarray, "3 H W"] | None = None
    caption: str = ""
    diameter: float = 3.0
    even_light: bool = False


@dataclass(frozen=True)
class Section:
    """Rows that share a title, times and a camera.

    Attributes:
        title: Text above the rows.
        times: Times of the columns, in [0, 1].
        rows: Name -> one cell per time.
        in_view: Points that must be seen, in the coordinates of the cells; at least one.
        notes: Name of a row -> short lines written below its name.
        headings: Text above each column; none for the times.
    """

    title: str
    times: Float[np.ndarray, "K"]
    rows: dict[str, list[Cell]]
    in_view: Float[np.ndarray, "N 3"]
    notes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    headings: Sequence[str] = ()


def draw_sections(
    sections: Sequence[Section],
    path: Path | str,
    cell_height: int,
    header: Image.Image | None = None,
    origin: str = "",
) -> None:
    """Write the sections below each other as one picture; all share one scale.

    Args:
        sections: Sections, at least one; all have the same number of times.
        path: Path of the picture, .png.
        cell_height: Height of one cell in pixels.
        header: Image above the sections.
        origin: Description of what made the contents, stored in the file's metadata.

    Raises:
        UserError: If the picture would replace a file that states no origin.
    """
    path = Path(path)
    refuse_other_picture(path)
    cameras, cell_width = _cameras(sections, cell_height)
    sheet = _Sheet(sections, cell_width, cell_height, header)
    with Renderer(cell_width, cell_height) as renderer:
        for section, camera in zip(sections, cameras, strict=True):
            sheet.draw(section, renderer, camera)
    path.parent.mkdir(parents=True, exist_ok=True)
    notes = PngInfo()
    notes.add_text(ORIGIN_KEY, origin)
    with atomic_file(path) as file:
        sheet.image.save(file, "PNG", optimize=True, pnginfo=notes)


def spread_frames(num_frames: int, num_columns: int) -> Int[np.ndarray, "K"]:
    """Numbers of the frames that are shown, evenly spread from the first to the last."""
    return np.linspace(0, num_frames - 1, num_columns).round().astype(int)


def correspondence_colors(first: Mesh | None, mesh: Mesh, box_of: Mesh) -> UInt8[np.ndarray, "V 3"]:
    """Colour vertices by their place in the first frame; grey if they do not correspond to it.

    Args:
        first: Mesh of the first frame, if it is known.
        mesh: Mesh to colour.
        box_of: Mesh whose bounding box spans the colours.
    """
    if first is None or not first.shares_rows(mesh):
        return np.full(mesh.vertices.shape, NEUTRAL_COLOR, np.uint8)
    if box_of.is_empty:
        return position_colors(first.vertices)
    low, high = box_of.vertices.min(axis=0), box_of.vertices.max(axis=0)
    return position_colors(first.vertices, low, high)


def color_by_place(meshes: Mapping[int, Mesh], box_of: Mesh) -> dict[int, Mesh]:
    """Meshes by the number of their frame, with `correspondence_colors`; these are computed once
    for all that share their rows."""
    colored: dict[int, Mesh] = {}
    first = meshes.get(0)
    for k, mesh in meshes.items():
        known = next(iter(colored.values()), None)
        if known is not None and known.shares_rows(mesh):
            colors = known.colors
        else:
            colors = correspondence_colors(first, mesh, box_of)
        colored[k] = replace(mesh, colors=colors)
    return colored


def input_cell(inputs: Mapping[int, np.ndarray], frame: int) -> Cell:
    """The observed cloud or image of a frame; nothing where it was not observed."""
    observed = inputs.get(frame)
    if observed is None or observed.ndim == 3:
        return Cell(observed)
    colors = np.full(observed.shape, INPUT_COLOR, np.uint8)
    return Cell(Mesh.of_points(observed, colors), diameter=5.0)


def text_width(text: str, size: int) -> int:
    """Width of one line of text, in pixels."""
    return math.ceil(ImageFont.load_default(size).getlength(text))


class _Sheet:
    """The picture as it grows from top to bottom."""

    def __init__(
        self,
        sections: Sequence[Section],
        cell_width: int,
        cell_height: int,
        header: Image.Image | None = None,
    ) -> None:
        self.cell_width, self.cell_height = cell_width, cell_height
        self.label_width = max(LABEL_WIDTH, *(_label_width(section) for section in sections))
        num_rows = sum(len(section.rows) for section in sections)
        cells_width = self.label_width + len(sections[0].times) * cell_width
        title_width = max(text_width(section.title, TITLE_SIZE) for section in sections)
        height = (
            2 * MARGIN
            + (header.height if header else 0)
            + len(sections) * (TITLE_HEIGHT + TIME_HEIGHT)
            + num_rows * (cell_height + ROW_GAP)
        )
        width = 2 * MARGIN + max(cells_width, title_width, header.width if header else 0)
        self.image = Image.new("RGB", (width, height), BACKGROUND)
        self.pen = ImageDraw.Draw(self.image)
        self.top = MARGIN
        if header:
            self.image.paste(header, (MARGIN, self.top))
            self.top += header.height

    def draw(self, section: Section, renderer: Renderer, camera: Camera) -> None:
        self._write(MARGIN, self.top + TITLE_HEIGHT // 2, section.title, TITLE_SIZE, INK, "lm")
        self.top += TITLE_HEIGHT
        headings = section.headings or [f"t = {time:.2f}" for time in section.times]
        for column, text in enumerate(headings):
            self._write(self._middle(column), self.top + TIME_HEIGHT // 2, text, 17, PALE_INK)
        self.top += TIME_HEIGHT
        for name, cells in section.rows.items():
            middle = self.top + self.cell_height // 2
            self._write(MARGIN, middle, name, NAME_SIZE, INK, "lm")
            for line, note in enumerate(section.notes.get(name, ()), start=1):
                y = middle + line * (NOTE_SIZE + 6)
                self._write(MARGIN, y, note, NOTE_SIZE, PALE_INK, "lm")
            for column, cell in enumerate(cells):
                self._draw_cell(column, cell, renderer, camera)
            self.top += self.cell_height + ROW_GAP

    def _draw_cell(self, column: int, cell: Cell, renderer: Renderer, camera: Camera) -> None:
        picture = Image.fromarray(render_cell(cell, renderer, camera))
        self.image.paste(picture, (MARGIN + self.label_width + column * self.cell_width, self.top))
        if cell.caption:
            bottom = self.top + self.cell_height + ROW_GAP // 4
            self._write(self._middle(column), bottom, cell.caption, 16, PALE_INK)

    def _middle(self, column: int) -> int:
        return MARGIN + self.label_width + column * self.cell_width + self.cell_width // 2

    def _write(
        self, x: int, y: int, text: str, size: int, color: tuple[int, int, int], anchor: str = "mm"
    ) -> None:
        self.pen.text((x, y), text, color, ImageFont.load_default(size), anchor)


def _label_width(section: Section) -> int:
    """Width of the column of names and notes, with a gap behind it."""
    names = [text_width(name, NAME_SIZE) for name in section.rows]
    notes = [text_width(note, NOTE_SIZE) for lines in section.notes.values() for note in lines]
    return max([*names, *notes]) + ROW_GAP


def render_cell(
    cell: Cell, renderer: Renderer, camera: Camera, around: Surroundings | None = None
) -> UInt8[np.ndarray, "height width 3"]:
    """The picture of a cell; nothing surrounds an image."""
    content = cell.content
    if content is None:
        return renderer.empty_image()
    if not isinstance(content, Mesh):
        return _fit(content, renderer)
    assert content.colors is not None  # see Cell: a mesh has colours
    if len(content.faces):
        return renderer.render_mesh(
            content.vertices, content.faces, content.colors, camera, cell.even_light, around
        )
    return renderer.render_points(
        content.vertices, content.colors, camera, cell.diameter, cell.even_light, around
    )


def _fit(
    pixels: Float[np.ndarray, "3 H W"], renderer: Renderer
) -> UInt8[np.ndarray, "height width 3"]:
    """Place an image in the middle of a cell, as large as it fits."""
    image = Image.fromarray(np.rint(255 * pixels.transpose(1, 2, 0)).astype(np.uint8))
    cell = Image.new("RGB", (renderer.width, renderer.height), BACKGROUND)
    fitted = ImageOps.contain(image, cell.size)
    place = ((cell.width - fitted.width) // 2, (cell.height - fitted.height) // 2)
    cell.paste(fitted, place)
    return np.asarray(cell)


def _cameras(sections: Sequence[Section], cell_height: int) -> tuple[list[Camera], int]:
    """One camera per section, all of one scale, and the width of a cell in pixels."""
    views = [look_at(section.in_view) for section in sections]
    half_width, half_height = 1.06 * np.max([half for _, half in views], axis=0)
    cameras = [Camera(camera.center, float(half_height)) for camera, _ in views]
    return cameras, max(MIN_CELL_WIDTH, round(cell_height * half_width / half_height))
