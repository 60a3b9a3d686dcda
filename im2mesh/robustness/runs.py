"""What is named on a command line -> config and folder of a run; several seeds, one method."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from im2mesh.comparison.runs import default_names
from im2mesh.config import Config, DataConfig
from im2mesh.data.sequences import Window
from im2mesh.errors import UserError
from im2mesh.generation import Generator
from im2mesh.origins import ResultOrigin
from im2mesh.run_folder import RunFolder


@dataclass(frozen=True)
class PreparedRun:
    """A run that can be measured.

    Attributes:
        path: As named on the command line.
        folder: Where its files lie.
        split: In which it is measured.
        generator: Holds its best model.
        data: Section data of its configuration.
        windows: Where it is measured.
        seed: Of what is drawn to measure it.
        origin: What makes its numbers.
    """

    path: Path
    folder: RunFolder
    split: str
    generator: Generator
    data: DataConfig
    windows: Sequence[Window]
    seed: int
    origin: ResultOrigin


def config_file(run: Path) -> Path:
    """The configuration of a run, named by its YAML file or its output folder.

    Raises:
        UserError: If there is none.
    """
    file = RunFolder(run).config if run.is_dir() else run
    if not file.is_file():
        raise UserError(f"no {file}; name a config or the output folder of a run")
    return file


def run_folder(run: Path, config: Config) -> RunFolder:
    """Where the files of a run lie: in the folder that was named, else where its config says."""
    return RunFolder(run) if run.is_dir() else RunFolder.of(config)


def label_runs(runs: Sequence[Path], names: Sequence[str] | None) -> list[str]:
    """One name per run; runs of one name are seeds of one method.

    Raises:
        UserError: If names and runs differ in number, or a run comes twice.
    """
    if len({run.resolve() for run in runs}) < len(runs):
        raise UserError("a run is given twice; name every run once")
    if names is None:
        return default_names(runs)
    if len(names) != len(runs):
        raise UserError(f"{len(names)} names for {len(runs)} runs; --names needs one per run")
    return list(names)


def window_key(window: Window) -> str:
    """Names the place of a window, whatever its length and step."""
    return f"{window.category}/{window.clip}/{window.start:05d}"


def refuse_other_windows(first: Sequence[Window], other: Sequence[Window], run: Path) -> None:
    """Means over different windows do not compare.

    Raises:
        UserError: If two runs are to be measured in other windows.
    """
    differ = {window_key(window) for window in first} ^ {window_key(window) for window in other}
    if differ:
        raise UserError(
            f"{run} and the first run are measured in different windows, such as {min(differ)}; "
            "their configs must agree in data.root, data.categories, data.skip_frames and "
            "data.eval_stride"
        )


def pooled(found: Iterable[tuple[str, str, float]], num_runs: int) -> list[float]:
    """Numbers of several seeds -> one per window, the mean over seeds.

    Args:
        found: (run, window, number).
        num_runs: Seeds; a window that some of them lack is left out, for its mean would be of
            others.
    """
    by_window: dict[str, dict[str, float]] = {}
    for run, window, number in found:
        by_window.setdefault(window, {})[run] = number
    return [
        float(np.mean(list(numbers.values())))
        for numbers in by_window.values()
        if len(numbers) == num_runs
    ]
