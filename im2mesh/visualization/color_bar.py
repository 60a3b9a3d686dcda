"""Distances -> colours, one scale for a whole picture, and the bar that explains it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw, ImageFont

from im2mesh.errors import UserError
from im2mesh.meshing.rendering import BACKGROUND
from im2mesh.visualization.sheet import INK, NAME_SIZE, NOTE_SIZE, PALE_INK, text_width

COLOR_MAP = "viridis"  # even steps look even, also to the colour-blind and in print
NUM_INTERVALS = 5
BAR_WIDTH, BAR_HEIGHT, LINE, TICK = 420, 22, 24, 5


@dataclass(frozen=True)
class ErrorScale:
    """Colours for distances from 0 to a maximum; larger ones have the colour of the maximum.

    Attributes:
        maximum: Largest distance, above 0, in units of the longest side of the first true mesh.
    """

    maximum: float = 0.05

    def __post_init__(self) -> None:
        if not 0 < self.maximum < float("inf"):
            raise UserError(f"the end of the colour scale must be above 0, got {self.maximum}")

    def colors(self, distances: Float[np.ndarray, " V"]) -> UInt8[np.ndarray, "V 3"]:
        from matplotlib import colormaps  # slow to import

        return colormaps[COLOR_MAP](np.clip(distances / self.maximum, 0, 1), bytes=True)[:, :3]

    def list_colors(self, distances: Sequence[float]) -> list[list[int]]:
        """The colours of some distances, as numbers from 0 to 255."""
        return self.colors(np.array(distances)).tolist()

    def draw_bar(
        self, title: str, notes: Sequence[str] = (), bar_width: int = BAR_WIDTH
    ) -> Image.Image:
        """Draw a title, the colours with numbers below them, and lines of explanation."""
        values = np.linspace(0.0, self.maximum, NUM_INTERVALS + 1)
        ticks = [f"{value:.3g}" for value in values]
        ticks[-1] += " and more"
        texts = [text_width(title, NAME_SIZE), *(text_width(note, NOTE_SIZE) for note in notes)]
        width = max(bar_width + text_width(ticks[-1], NOTE_SIZE), *texts)
        image = Image.new("RGB", (width, BAR_HEIGHT + (3 + len(notes)) * LINE), BACKGROUND)
        pen = ImageDraw.Draw(image)

        def write(x: float, y: int, text: str, size: int, color: tuple, anchor: str = "lt") -> None:
            pen.text((x, y), text, color, ImageFont.load_default(size), anchor)

        write(0, 0, title, NAME_SIZE, INK)
        bottom = LINE + BAR_HEIGHT
        colors = self.colors(np.linspace(0.0, self.maximum, bar_width))
        image.paste(Image.fromarray(np.repeat(colors[None], BAR_HEIGHT, axis=0)), (0, LINE))
        for x, tick in zip(np.linspace(0, bar_width - 1, len(ticks)), ticks, strict=True):
            pen.line([(x, bottom), (x, bottom + TICK)], INK)
            half = text_width(tick.split()[0], NOTE_SIZE) / 2
            write(max(x - half, 0), bottom + 2 * TICK, tick, NOTE_SIZE, INK)
        for line, note in enumerate(notes, start=1):
            write(0, bottom + 2 * TICK + line * LINE, note, NOTE_SIZE, PALE_INK)
        return image
