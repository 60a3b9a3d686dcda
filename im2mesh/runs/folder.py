"""The names of all files of a run."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from im2mesh.config.schema import Config
from im2mesh.config.validation import is_resolved_config
from im2mesh.data.layout import Window
from im2mesh.errors import UserError
from im2mesh.files.atomic import remove_temporary_files
from im2mesh.machine.locks import only_process

CONFIG_FILE = "config.yaml"  # in the folders of a run, its generated splits and its evaluations
RECORDS_FILE, SUMMARY_FILE = "records.csv", "summary.json"  # in the folder of an evaluation
PAGE_FILE = "report.html"  # there, too: all of it in one page
SEQUENCE_FILE = "sequence.npz"  # moving meshes, of a window or of a scan
SCAN_FILE = "scan.json"  # in the folder of a reconstructed scan
PICTURES_FILE = "pictures.json"  # in that of a body reconstructed from pictures
SEEN_FOLDER = "input"  # there, too: what the network saw of them
LOCK_FILE = "lock"  # shows which processes work in a folder


@dataclass(frozen=True)
class WindowFolder:
    """The files with the results of one window, below the folder of a split."""

    path: Path

    @classmethod
    def of(cls, split_folder: Path, window: Window) -> "WindowFolder":
        return cls(split_folder / window.category / window.clip / window.name)

    @property
    def sequence(self) -> Path:
        return self.path / SEQUENCE_FILE

    @property
    def meshes(self) -> Path:
        return self.path / "meshes"

    @property
    def inputs(self) -> Path:
        return self.path / "inputs"

    @property
    def summary(self) -> Path:
        """The file that is written last: a window that has it is finished."""
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
        return self.path / CONFIG_FILE

    @property
    def checkpoint(self) -> Path:
        return self.path / "model.pt"

    @property
    def previous_checkpoint(self) -> Path:
        """The checkpoint before the newest one; it is used if the newest is damaged."""
        return self.path / "model_previous.pt"

    @property
    def best_checkpoint(self) -> Path:
        return self.path / "model_best.pt"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def pictures(self) -> Path:
        """Pictures of the training as it went on."""
        return self.path / "pictures"

    def snapshot(self, iteration: int) -> Path:
        """The file of a step that failed."""
        return self.path / "failed_steps" / f"{iteration:08d}.pt"

    def holds_training(self) -> bool:
        """Whether a training has begun in the folder."""
        checkpoints = (self.checkpoint, self.previous_checkpoint, self.best_checkpoint)
        return any(path.exists() for path in (*checkpoints, self.logs))

    @contextmanager
    def for_training(self) -> Iterator[None]:
        """Lock the folder for one training, and remove half-written files of killed ones.

        Where nothing is written, because an error comes first, no lock stays.

        Raises:
            UserError: If another training works in the folder.
        """
        before = self._names()
        with only_process(self.path / LOCK_FILE, str(self.path)):
            for folder in (self.path, self.snapshot(0).parent):
                remove_temporary_files(folder)
            try:
                yield
            finally:
                if self._names() - before == {LOCK_FILE}:
                    with suppress(OSError):  # others are there, or the system keeps open files
                        (self.path / LOCK_FILE).unlink()
                        self.path.rmdir()

    def _names(self) -> set[str]:
        return {path.name for path in self.path.iterdir()} if self.path.is_dir() else set()

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

    @property
    def prior(self) -> Path:
        """What was learned of the codes of the training's windows."""
        return self.path / "codes" / "prior.safetensors"

    def latent(self, name: str) -> Path:
        """Folder of bodies made from blended, exchanged or drawn codes."""
        return self.path / "latent" / name

    def set_aside(self, data_root: str) -> Path | None:
        """Rename the folder of an existing run; returns its new path, None without a run. A folder
        with other files alone is not moved.

        Raises:
            UserError: If the data lie inside the folder and would move with it, or a training works
                in the folder.
        """
        if not self.path.exists():
            return None
        if Path(data_root).resolve().is_relative_to(self.path.resolve()):
            raise UserError(
                f"data.root {data_root} lies inside {self.path}, which --fresh would move; "
                "set output_dir to a folder of its own"
            )
        if not (self.holds_training() or is_resolved_config(self.config)):
            return None
        number = 1
        while (target := self.path.with_name(f"{self.path.name}.old{number}")).exists():
            number += 1
        with self.for_training():  # refuses if a training works in the folder
            return self.path.rename(target)
