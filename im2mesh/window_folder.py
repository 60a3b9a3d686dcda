"""The generated files of one window, and their names."""

from dataclasses import dataclass
from pathlib import Path

from im2mesh.data.sequences import Window


@dataclass(frozen=True)
class WindowFolder:
    """Where the results of one window lie below the folder of a split."""

    path: Path

    @classmethod
    def of(cls, split_folder: Path, window: Window) -> "WindowFolder":
        return cls(split_folder / window.category / window.clip / window.name)

    @property
    def sequence(self) -> Path:
        return self.path / "sequence.npz"

    @property
    def meshes(self) -> Path:
        return self.path / "meshes"

    @property
    def inputs(self) -> Path:
        return self.path / "inputs"

    @property
    def summary(self) -> Path:
        """Written last: a window that has it is finished."""
        return self.path / "window.json"
