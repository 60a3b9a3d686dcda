"""Where the files of a run lie."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from im2mesh.config import Config
from im2mesh.data.sequences import Window
from im2mesh.errors import UserError
from im2mesh.files.atomic import remove_temporary_files
from im2mesh.files.locks import only_process
from im2mesh.reporting import RECORDS_FILE
from im2mesh.window_folder import WindowFolder

CONFIG_FILE = "config.yaml"  # of a run, and of what was generated or evaluated with it
LOCK_FILE = "lock"  # says which processes are at work in a folder


@dataclass(frozen=True)
class RunFolder:
    """All files of one run, below its output folder."""

    path: Path

    @classmethod
    def of(cls, config: Config) -> "RunFolder":
        return cls(Path(config.output_dir))

    @property
    def config(self) -> Path:
        return self.path / CONFIG_FILE

    @property
    def checkpoint(self) -> Path:
        return self.path / "model.pt"

    @property
    def previous_checkpoint(self) -> Path:
        """What the checkpoint was before; in its place if that is damaged."""
        return self.path / "model_previous.pt"

    @property
    def best_checkpoint(self) -> Path:
        return self.path / "model_best.pt"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    def snapshot(self, iteration: int) -> Path:
        """Of a step that failed."""
        return self.path / "failed_steps" / f"{iteration:08d}.pt"

    @contextmanager
    def for_training(self) -> Iterator[None]:
        """Be the only training in the folder; what killed ones left half-written is removed.

        Raises:
            UserError: If another training is at work in it.
        """
        with only_process(self.path / LOCK_FILE, str(self.path)):
            for folder in (self.path, self.snapshot(0).parent):
                remove_temporary_files(folder)
            yield

    def generation(self, split: str) -> Path:
        return self.path / "generation" / split

    def window(self, split: str, window: Window) -> WindowFolder:
        return WindowFolder.of(self.generation(split), window)

    def evaluation(self, split: str) -> Path:
        return self.path / "evaluation" / split

    def evaluation_records(self, split: str) -> Path:
        return self.evaluation(split) / RECORDS_FILE

    def codes(self, split: str) -> Path:
        """Table of the latent codes of a split."""
        return self.path / "codes" / f"{split}.npz"

    def latent(self, name: str) -> Path:
        """Folder of bodies made from blended, exchanged or drawn codes."""
        return self.path / "latent" / name

    def set_aside(self, data_root: str) -> Path | None:
        """Move a present run out of the way; returns where it is now.

        Raises:
            UserError: If the data lie below the folder and would move, too, or a training is at
                work in it.
        """
        if not self.path.exists():
            return None
        if Path(data_root).resolve().is_relative_to(self.path.resolve()):
            raise UserError(
                f"data.root {data_root} lies inside {self.path}, which --fresh would move; "
                "set output_dir to a folder of its own"
            )
        number = 1
        while (target := self.path.with_name(f"{self.path.name}.old{number}")).exists():
            number += 1
        with self.for_training():  # nobody else is at work in it
            return self.path.rename(target)
