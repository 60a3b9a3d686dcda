"""Scenes -> the frames of a film: panes side by side that one camera sees, names, time, legends."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw, ImageFont

from im2mesh.meshing.mesh import Mesh
from im2mesh.meshing.rendering import BACKGROUND, Camera, Renderer, Surroundings, look_at
from im2mesh.visualization.sheet import (
    INK,
    NAME_SIZE,
    NOTE_SIZE,
    PALE_INK,
    TITLE_SIZE,
    Cell,
    render_cell,
    text_width,
)
from im2mesh.visualization.video.marks import ARROW_COLOR, ArrowScale
from im2mesh.visualization.video.shadow import Floor

ELEVATION = 11.0
"""Degrees from which the camera looks down, so that the shadow on the floor is seen."""
MARGIN, GAP = 20, 10
TITLE_HEIGHT, NAME_HEIGHT, CAPTION_HEIGHT, TIME_HEIGHT, LEGEND_GAP = 32, 28, 24, 34, 36
LINE = 3
"""Height of the line that grows with time."""
PANE_HEIGHT = 360
"""Height of the panes in which points have the diameter that their cell says; in others, they grow
or shrink with the pane."""
SUPERSAMPLING = 2
GHOST = 0.3
"""How much is seen of a ghost."""
_ROOM = 1.06
_AROUND = 0.13 * np.array([[1, 0, 0], [-1, 0, 0], [0, 0, 1], [0, 0, -1]])
"""Room for the shadow around a body, in units of the body."""
_ANGLES = np.arange(0.0, 360.0, 15.0)


@dataclass(frozen=True)
class Pane:
    """A moving picture beside others.

    Attributes:
        name: Name above it.
        cells: What it shows at each frame.
        marks: Arrows or trails of each frame; empty for none.
        ghosts: What is seen faintly behind each cell, and casts the shadow in its place: the whole
            of a body of which the cell shows a part; empty for none.
    """

    name: str
    cells: Sequence[Cell]
    marks: Sequence[Mesh] = ()
    ghosts: Sequence[Mesh] = ()

    @property
    def seen(self) -> list[Float[np.ndarray, "N 3"]]:
        """The positions of all that is shown in space."""
        contents = [cell.content for cell in self.cells]
        return [content.vertices for content in contents if isinstance(content, Mesh)]


@dataclass(frozen=True)
class Scene:
    """What is shown of one window.

    Attributes:
        title: Text above the panes.
        panes: Panes with as many cells as there are frames; at least one shows something in space.
        azimuths: Where the camera stands at each frame.
        times: The time of each frame in words.
        bar: The colour scale of the errors, if they are shown.
        arrows: The scale of the arrows, if there are any.
    """

    title: str
    panes: Sequence[Pane]
    azimuths: Float[np.ndarray, "T"]
    times: Sequence[str]
    bar: Image.Image | None = None
    arrows: ArrowScale | None = None

    @property
    def num_frames(self) -> int:
        return len(self.times)

    @cached_property
    def _points(self) -> Float[np.ndarray, "N 3"]:
        """Of all that is ever shown, about a hundred thousand points."""
        points = np.concatenate([p for pane in self.panes for p in pane.seen])
        return points[:: len(points) // 100_000 + 1]

    @cached_property
    def floor(self) -> Floor:
        """The floor that the lowest points touch, but for one in two thousand."""
        points = self._points
        height = float(np.quantile(points[:, 1], 0.0005))
        return Floor(height, points.min(axis=0), points.max(axis=0))

    def views(self) -> tuple[list[Camera], Float[np.ndarray, "2"]]:
        """The camera of each frame, and half the width and height that hold all it ever sees.

        A camera that turns is never nearer to the axis than the body is wide.
        """
        points = self._points
        on_floor = points * [1, 0, 1] + [0, self.floor.height, 0]
        around = [on_floor + offset for offset in _AROUND]
        points = np.concatenate([points, *around])
        if np.ptp(self.azimuths) == 0:
            camera, half = look_at(points, float(self.azimuths[0]), ELEVATION)
            return [camera] * self.num_frames, half
        center = (points.min(axis=0) + points.max(axis=0)) / 2
        turns = [Camera(center, 1.0, azimuth, ELEVATION) for azimuth in _ANGLES]
        seen = [np.abs((points - center) @ camera.axes[:2].T).max(axis=0) for camera in turns]
        cameras = [Camera(center, 1.0, float(azimuth), ELEVATION) for azimuth in self.azimuths]
        return cameras, np.max(seen, axis=0)


class Film:
    """Scenes one after another, in pictures of one size and one scale.

    Args:
        scenes: Scenes, at least one.
        height: Height of a pane in pixels.
    """

    def __init__(self, scenes: Sequence[Scene], height: int) -> None:
        self.scenes = scenes
        views = [scene.views() for scene in scenes]
        half_width, half_height = _ROOM * np.max([half for _, half in views], axis=0)
        self._cameras = [
            [replace(camera, half_height=float(half_height)) for camera in cameras]
            for cameras, _ in views
        ]
        names = [text_width(pane.name, NAME_SIZE) for scene in scenes for pane in scene.panes]
        least = max(names) + GAP
        self.pane_height = height
        self.pane_width = max(least, round(height * half_width / half_height))
        self._pixels = height / (2 * half_height)  # of a length of 1
        sheets = [self._still(scene) for scene in scenes]
        self.width, self.height = np.max([sheet.size for sheet in sheets], axis=0).tolist()

    @property
    def num_frames(self) -> int:
        return sum(scene.num_frames for scene in self.scenes)

    def frames(self, chosen: Sequence[int] | None = None) -> Iterator[UInt8[np.ndarray, "H W 3"]]:
        """Draw frames, all or those that are named by their numbers over all scenes."""
        every = [(s, k) for s, scene in enumerate(self.scenes) for k in range(scene.num_frames)]
        with Renderer(self.pane_width, self.pane_height, SUPERSAMPLING) as renderer:
            for number in range(len(every)) if chosen is None else chosen:
                yield self._draw(*every[number], renderer)

    def _draw(self, number: int, frame: int, renderer: Renderer) -> UInt8[np.ndarray, "H W 3"]:
        scene, camera = self.scenes[number], self._cameras[number][frame]
        image = Image.new("RGB", (self.width, self.height), BACKGROUND)
        image.paste(self._still(scene))
        top = MARGIN + TITLE_HEIGHT + NAME_HEIGHT
        for column, pane in enumerate(scene.panes):
            cell, left = pane.cells[frame], self._left(column)
            image.paste(self._picture(scene, pane, frame, camera, renderer), (left, top))
            below = (left + self.pane_width // 2, top + self.pane_height + CAPTION_HEIGHT // 2)
            _write(image, below, cell.caption, NOTE_SIZE, PALE_INK, "mm")
        top += self.pane_height + CAPTION_HEIGHT
        _write(image, (MARGIN, top + TIME_HEIGHT // 2), scene.times[frame], NAME_SIZE, INK, "lm")
        done = round(self.width * (frame + 1) / scene.num_frames)
        image.paste(PALE_INK, (0, self.height - LINE, done, self.height))
        return np.asarray(image)

    def _picture(
        self, scene: Scene, pane: Pane, frame: int, camera: Camera, renderer: Renderer
    ) -> Image.Image:
        """One pane at one time."""
        cell = pane.cells[frame]
        cell = replace(cell, diameter=cell.diameter * self.pane_height / PANE_HEIGHT)
        ghost = pane.ghosts[frame] if pane.ghosts else None
        body, backdrop = ghost or cell.content, renderer.empty_image()
        if isinstance(body, Mesh):
            backdrop = scene.floor.backdrop(body, camera, renderer.width, renderer.height)
        if ghost is not None:
            seen = render_cell(Cell(ghost), renderer, camera, Surroundings(None, backdrop))
            mixed = (1 - GHOST) * backdrop.astype(np.float32) + GHOST * seen
            backdrop = np.rint(mixed).astype(np.uint8)
        marks = pane.marks[frame] if pane.marks else None
        return Image.fromarray(render_cell(cell, renderer, camera, Surroundings(marks, backdrop)))

    def _still(self, scene: Scene) -> Image.Image:
        """What does not move: the title, the names of the panes, and legends."""
        legends = [] if scene.bar is None else [scene.bar]
        if scene.arrows is not None:
            legends.insert(0, self._arrow_legend(scene.arrows))
        width = self._left(len(scene.panes)) - GAP + MARGIN
        texts = [text_width(scene.title, TITLE_SIZE), *(legend.width for legend in legends)]
        width = max(width, max(texts) + 2 * MARGIN)
        top = MARGIN + TITLE_HEIGHT + NAME_HEIGHT + self.pane_height + CAPTION_HEIGHT
        start = MARGIN + max(text_width(time, NAME_SIZE) for time in scene.times) + LEGEND_GAP
        places, bottom = _in_rows(legends, start, top, width - MARGIN)
        image = Image.new("RGB", (width, bottom + MARGIN), BACKGROUND)
        for legend, place in zip(legends, places, strict=True):
            image.paste(legend, place)
        _write(image, (MARGIN, MARGIN + TITLE_HEIGHT // 3), scene.title, TITLE_SIZE, INK, "lm")
        for column, pane in enumerate(scene.panes):
            middle = self._left(column) + self.pane_width // 2
            top = MARGIN + TITLE_HEIGHT + NAME_HEIGHT // 2
            _write(image, (middle, top), pane.name, NAME_SIZE, INK, "mm")
        return image

    def _arrow_legend(self, scale: ArrowScale) -> Image.Image:
        """An arrow that lies in the plane of the picture, and the speed that it stands for."""
        speed, head = scale.legend_speed, 9
        length = max(round(speed * scale.length * self._pixels), head)
        text = f"{speed:g} {scale.unit}"
        text = text.replace("lengths", "length") if speed == 1 else text
        image = Image.new(
            "RGB", (length + 10 + text_width(text, NOTE_SIZE), TIME_HEIGHT), BACKGROUND
        )
        pen, y = ImageDraw.Draw(image), TIME_HEIGHT // 2
        pen.line([(0, y), (length - head, y)], ARROW_COLOR, 3)
        pen.polygon([(length - head, y - 5), (length - head, y + 5), (length, y)], ARROW_COLOR)
        _write(image, (length + 10, y), text, NOTE_SIZE, INK, "lm")
        return image

    def _left(self, column: int) -> int:
        return MARGIN + column * (self.pane_width + GAP)


def _in_rows(
    images: Sequence[Image.Image], start: int, top: int, end: int
) -> tuple[list[tuple[int, int]], int]:
    """Where images lie beside each other, in a row behind the time and in rows below it; and where
    the last row ends."""
    places, x, row = [], start, TIME_HEIGHT
    for image in images:
        if x + image.width > end:
            x, top, row = MARGIN, top + row, 0
        places.append((x, top))
        x, row = x + image.width + LEGEND_GAP, max(row, image.height)
    return places, top + row


def _write(
    image: Image.Image,
    place: tuple[int, int],
    text: str,
    size: int,
    color: tuple[int, int, int],
    anchor: str,
) -> None:
    ImageDraw.Draw(image).text(place, text, color, ImageFont.load_default(size), anchor)
