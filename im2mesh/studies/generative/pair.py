"""Whose motion, on whose body."""

from dataclasses import dataclass

from im2mesh.data.layout import Window


@dataclass(frozen=True)
class Pair:
    """The window whose motion is taken, and that of the other body moving just so."""

    motion: Window
    body: Window
