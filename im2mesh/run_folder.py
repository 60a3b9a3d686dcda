"""Where the files of a run lie. The one place that knows their names."""

from dataclasses import dataclass
from pathlib import Path

from im2mesh.config import Config
from im2mesh.data.sequences import Window
from im2mesh.meshing.io import window_folder
from im2mesh.reporting import RECORDS_FILE


@dataclass(frozen=True)
class WindowFolder:
    """The generated files of one window."""

    path: Path

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


@dataclass(frozen=True)
class RunFolder:
    """All files of one run, below its output folder."""

    path: Path

    @classmethod
    def of(cls, config: Config) -> "RunFolder":
        return cls(Path(config.output_dir))

    @property
    def config(self) -> Path:
        return self.path / "config.yaml"

    @property
    def checkpoint(self) -> Path:
        return self.path / "model.pt"

    @property
    def best_checkpoint(self) -> Path:
        return self.path / "model_best.pt"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    def generation(self, split: str) -> Path:
        return self.path / "generation" / split

    def window(self, split: str, window: Window) -> WindowFolder:
        folder = self.generation(split)
        return WindowFolder(window_folder(folder, window.category, window.clip, window.start))

    def evaluation(self, split: str) -> Path:
        return self.path / "evaluation" / split

    def evaluation_records(self, split: str) -> Path:
        return self.evaluation(split) / RECORDS_FILE

    def set_aside(self) -> Path | None:
        """Move a present run out of the way; returns where it is now."""
        if not self.path.exists():
            return None
        number = 1
        while (target := self.path.with_name(f"{self.path.name}.old{number}")).exists():
            number += 1
        return self.path.rename(target)
