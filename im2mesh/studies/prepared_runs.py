"""Runs named on a command line: their configs, folders and names; means over seeds."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from im2mesh.config.schema import Config, DataConfig
from im2mesh.data.layout import Window
from im2mesh.errors import UserError
from im2mesh.generation.generator import Generator
from im2mesh.models.flow.solver_errors import SolverError
from im2mesh.runs.folder import RunFolder
from im2mesh.runs.origins import ResultOrigin
from im2mesh.studies.names import default_names


@dataclass(frozen=True)
class PreparedRun:
    """A run that is ready to be measured.

    Attributes:
        path: Path given on the command line.
        folder: Folder with the files of the run.
        split: Split to measure.
        generator: Generator with the best model of the run.
        data: Section data of its configuration.
        windows: Windows to measure.
        seed: Seed of the random draws.
        origin: Origin of the numbers.
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
    """Find the configuration of a run, given its YAML file or its output folder.

    Raises:
        UserError: If there is none.
    """
    file = RunFolder(run).config if run.is_dir() else run
    if not file.is_file():
        raise UserError(
            f"no {file}, which a training writes; name a config, or the output folder of a run "
            "that was trained"
        )
    return file


def run_folder(run: Path, config: Config) -> RunFolder:
    """The folder with the files of a run: `run` itself if it is one, else that of its config."""
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


def refuse_other_windows(first: Sequence[Window], other: Sequence[Window], run: Path) -> None:
    """Refuse a run with other windows than the first, since their means do not compare.

    Raises:
        UserError: If the windows differ; the message names one.
    """
    differ = {window.place for window in first} ^ {window.place for window in other}
    if differ:
        raise UserError(
            f"{run} and the first run are measured in different windows, such as {min(differ)}; "
            "their configs must agree in data.root, data.categories, data.skip_frames and "
            "data.eval_stride"
        )


def pooled(found: Iterable[tuple[str, str, float]], num_runs: int) -> list[float]:
    """Numbers of several seeds -> one per window, the mean over seeds.

    Args:
        found: Triples (run, window, number).
        num_runs: Number of seeds. A window that some seeds lack is left out: its mean would be over
            other seeds than that of the rest.
    """
    by_window: dict[str, dict[str, float]] = {}
    for run, window, number in found:
        by_window.setdefault(window, {})[run] = number
    return [
        float(np.mean(list(numbers.values())))
        for numbers in by_window.values()
        if len(numbers) == num_runs
    ]


def finite_numbers(
    run: Path, window: Window, measure: Callable[[], dict[str, float]]
) -> dict[str, float]:
    """Measure a window of a run and check the numbers.

    Raises:
        UserError: If the motion cannot be solved or a number is not finite; names run and window.
    """
    try:
        numbers = measure()
    except SolverError as error:
        raise UserError(f"{run}: window {window}: {error}") from error
    wrong = [f"{metric} is {number:g}" for metric, number in numbers.items()
             if not math.isfinite(number)]  # fmt: skip
    if wrong:
        raise UserError(
            f"{run}: window {window}: {', '.join(wrong)}; its weights have diverged: train it "
            "again with a lower training.learning_rate, or leave it out"
        )
    return numbers
