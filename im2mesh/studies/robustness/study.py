"""Runs x sweeps x windows -> numbers, and gaps where a model cannot be asked."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal

from im2mesh.config.schema import DataConfig
from im2mesh.data.clip_files import frame_numbers
from im2mesh.data.layout import Window
from im2mesh.generation.generator import Generator
from im2mesh.runs.origins import ResultOrigin
from im2mesh.studies.prepared_runs import PreparedRun, finite_numbers, pooled
from im2mesh.studies.robustness.measure import CannotAskError, measure_window
from im2mesh.studies.robustness.sweeps import Sweep


@dataclass(frozen=True)
class Number:
    """One measured number.

    Attributes:
        run: Name of the method, shared by its seeds.
        path: Path of the run.
        sweep, value: Name of the sweep, and the value of its setting.
        window: `Window.place` of the window.
        metric: Key of the metric.
    """

    run: str
    path: str
    sweep: str
    value: float
    window: str
    metric: str
    number: float


NumberKey = tuple[str, str, float, str]  # run, sweep, value, metric


@dataclass(frozen=True)
class NotMeasured:
    """Windows in which a run was not measured at one value of a sweep, and the reason."""

    run: str
    sweep: str
    value: float
    reason: str


@dataclass
class Study:
    """All numbers of the study, and its gaps.

    Attributes:
        sweeps: Sweeps that were asked for.
        runs: Name of a method -> path of each of its seeds -> section data of that run.
        origins: Path of a run -> origin of its numbers.
        numbers: Numbers by run, sweep, value and metric; `measure_run` fills them and `gaps`.
        name: Tool whose metrics are measured; its files have this name.
    """

    sweeps: Sequence[Sweep]
    runs: dict[str, dict[str, DataConfig]] = field(default_factory=dict)
    origins: dict[str, ResultOrigin] = field(default_factory=dict)
    numbers: dict[NumberKey, list[Number]] = field(default_factory=lambda: defaultdict(list))
    gaps: list[NotMeasured] = field(default_factory=list)
    name: Literal["robustness", "scans"] = "robustness"

    @property
    def metrics(self) -> list[str]:
        """Metrics that any run has."""
        return list(dict.fromkeys(metric for *_, metric in self.numbers))

    def metrics_of(self, run: str) -> set[str]:
        return {metric for name, _, _, metric in self.numbers if name == run}

    def add(self, number: Number) -> None:
        key = number.run, number.sweep, number.value, number.metric
        self.numbers[key].append(number)

    def per_window(self, run: str, sweep: Sweep, value: float, metric: str) -> list[float]:
        """One number per window, the mean over seeds; empty where the run was not measured."""
        numbers = self.numbers.get((run, sweep.name, value, metric), [])
        return pooled(((n.path, n.window, n.number) for n in numbers), len(self.runs[run]))

    def reasons(self, run: str, sweep: Sweep, value: float) -> list[str]:
        """Why windows of a run are missing."""
        where = (run, sweep.name, value)
        found = (gap for gap in self.gaps if (gap.run, gap.sweep, gap.value) == where)
        return list(dict.fromkeys(gap.reason for gap in found))


Measure = Callable[[Generator, DataConfig, DataConfig, Window, int], dict[str, float]]
"""What measures one window; its arguments are those of `measure_window`."""


def measure_run(
    study: Study,
    name: str,
    run: PreparedRun,
    on_value: Callable[[], object] = lambda: None,
    measure: Measure = measure_window,
) -> None:
    """Measure one run with every value of every sweep, and add it to the study.

    Args:
        study: Study that receives the numbers and the gaps.
        name: Name of the method.
        run: Run to measure; a setting may change the length and step of its windows.
        on_value: Function called after every value, to show progress.
        measure: What is measured of a window.

    Raises:
        UserError: If a number is not finite.
    """
    path, data, windows = str(run.path), run.data, run.windows
    study.runs.setdefault(name, {})[path] = data
    study.origins[path] = run.origin
    for sweep in study.sweeps:
        common = _windows_of_all_values(sweep, data, windows)
        for value in sweep.values:
            setting = sweep.changed(data, value)
            fitting = list(_fitting(common, setting))
            if len(fitting) < len(windows):
                reason = _too_short(len(fitting), len(windows), setting)
                study.gaps.append(NotMeasured(name, sweep.name, value, reason))
            try:
                found = {window: _measure(run, setting, window, measure) for window in fitting}
            except CannotAskError as error:  # a mean over earlier windows would not compare
                study.gaps.append(NotMeasured(name, sweep.name, value, str(error)))
                found = {}
            for window, numbers in found.items():
                place = (name, path, sweep.name, value, window.place)
                for metric, number in numbers.items():
                    study.add(Number(*place, metric, number))
            on_value()


def _measure(
    run: PreparedRun, setting: DataConfig, window: Window, measure: Measure
) -> dict[str, float]:
    asked = partial(measure, run.generator, setting, run.data, window, run.seed)
    return finite_numbers(run.path, window, asked)


def _windows_of_all_values(
    sweep: Sweep, data: DataConfig, windows: Sequence[Window]
) -> list[Window]:
    """The windows that fit every value, apart from values that fit no window. With other windows at
    each value, a curve would show how windows differ and not what the setting does."""
    common = list(windows)
    for value in sweep.values:
        fitting = {w.place for w in _fitting(windows, sweep.changed(data, value))}
        if fitting:
            common = [window for window in common if window.place in fitting]
    return common


def _fitting(windows: Sequence[Window], setting: DataConfig) -> Iterator[Window]:
    """The windows with the length and step of a setting, where the clips are long enough."""
    for window in windows:
        asked = replace(window, num_frames=setting.num_frames, frame_step=setting.frame_step)
        last = asked.index(asked.num_frames - 1)
        if last < len(frame_numbers(setting.root, asked.category, asked.clip)):
            yield asked


def _too_short(found: int, total: int, setting: DataConfig) -> str:
    if found:
        return f"in {found} of {total} windows, those long enough for every measured value"
    span = (setting.num_frames - 1) * setting.frame_step + 1
    return f"none of {total} windows has the {span} frames that are needed"
