"""Several runs -> what can be compared of them, and what cannot. Writes no files."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from im2mesh.config.effects import Affects, keys_affecting
from im2mesh.config.schema import Config
from im2mesh.errors import UserError
from im2mesh.runs.folder import PICTURES_FILE, SCAN_FILE
from im2mesh.runs.origins import ResultOrigin
from im2mesh.studies.comparison.result import (
    DATA_FINGERPRINT,
    FrameKey,
    MethodResult,
    evaluated_splits,
    read_result,
)

MUST_AGREE = keys_affecting(Config, Affects.METRICS)
TOLD = (*keys_affecting(Config, Affects.COVERAGE), "data.root", DATA_FINGERPRINT)
"""Settings of eval.py: runs must share those of MUST_AGREE; a note tells differences in TOLD."""


@dataclass(frozen=True)
class Gap:
    """Metrics that one method has in fewer windows or frames than all methods together.

    Attributes:
        method: Name of the method.
        metrics: Metrics that were measured in this part only.
        what: Description of the measured part, such as "frames 0, 16 of 0-16".
    """

    method: str
    metrics: tuple[str, ...]
    what: str


@dataclass(frozen=True)
class Comparison:
    """All methods on one split, measured in the same windows in the same way."""

    split: str
    methods: Sequence[MethodResult]
    gaps: Sequence[Gap]

    @property
    def num_windows(self) -> int:
        return len(self.methods[0].windows)

    @property
    def origins(self) -> dict[str, ResultOrigin | None]:
        """Method -> what made its numbers."""
        return {method.name: method.origin for method in self.methods}

    def differences(self) -> list[str]:
        """Sentences about the settings of eval.py in which methods differ."""
        found = []
        for key in TOLD:
            values = {method.name: method.settings.get(key) for method in self.methods}
            if len(set(values.values())) > 1:
                listed = ", ".join(f"{name} {value}" for name, value in values.items())
                found.append(f"{key} differs: {listed}; numbers that depend on it do not compare")
        return found

    def partial(self) -> dict[str, int]:
        """Metric that not all windows have -> number of windows in which any method has it."""
        windows: dict[str, set[str]] = defaultdict(set)
        for method in self.methods:
            for metric, frames in method.coverage.items():
                windows[metric] |= {window for window, _ in frames}
        return {m: len(found) for m, found in windows.items() if len(found) < self.num_windows}


def compare(runs: Mapping[str, Path], split: str) -> Comparison:
    """Read the results of several runs on one split.

    Args:
        runs: Name -> output folder of a run.
        split: Name of the split, as in <run>/evaluation/<split>.

    Raises:
        UserError: If a run was not evaluated on the split, or two runs were evaluated on different
            windows, or with different settings out of `MUST_AGREE`.
    """
    methods = [read_result(name, path, split) for name, path in runs.items()]
    paths = list(runs.values())
    for path, method in zip(paths[1:], methods[1:], strict=True):
        both = f"{paths[0]} and {path}, split '{split}'"
        _refuse_other_settings(both, methods[0], method)
        _refuse_other_windows(both, methods[0], method)
    return Comparison(split, methods, tuple(_gaps(methods)))


def common_splits(paths: Sequence[Path]) -> list[str]:
    """The splits that all runs were evaluated on, sorted by name.

    Raises:
        UserError: If there is none, or a run is no folder.
    """
    found = {path: evaluated_splits(path) for path in paths}
    common = set.intersection(*map(set, found.values()))
    if not common:
        listed = "; ".join(f"{path} has {', '.join(s) or 'none'}" for path, s in found.items())
        raise UserError(
            f"no split was evaluated for all runs: {listed}; run eval.py for the rest"
            + "".join(f", or give {path}" for path in _of_clouds_and_pictures(paths)[:1])
        )
    return sorted(common)


def _of_clouds_and_pictures(paths: Sequence[Path]) -> list[Path]:
    """Folders of what was reconstructed from clouds or pictures, a little below other folders."""
    return [
        report.parent
        for path in paths
        for name in (SCAN_FILE, PICTURES_FILE)
        for way in ("*", "*/*")
        for report in sorted(path.glob(f"{way}/{name}"))
    ]


def _refuse_other_settings(both: str, first: MethodResult, other: MethodResult) -> None:
    for key in MUST_AGREE:
        values = [method.settings.get(key, "not set") for method in (first, other)]
        if values[0] != values[1]:
            raise UserError(
                f"{both}: evaluated with {key} {values[0]} and {values[1]}; "
                "run eval.py with the same value for both"
            )


def _refuse_other_windows(both: str, first: MethodResult, other: MethodResult) -> None:
    only_first, only_other = first.windows - other.windows, other.windows - first.windows
    if not (only_first or only_other):
        return
    sides = [
        f"only in the {which}: {_examples(windows)}"
        for which, windows in (("first", only_first), ("second", only_other))
        if windows
    ]
    raise UserError(
        f"{both}: evaluated on different windows, {len(first.windows)} and {len(other.windows)}; "
        f"{'; '.join(sides)}; run eval.py for both with the same data and data.eval_stride"
    )


def _examples(windows: set[str]) -> str:
    more = f" and {len(windows) - 3} more" if len(windows) > 3 else ""
    return ", ".join(sorted(windows)[:3]) + more


def _gaps(methods: Sequence[MethodResult]) -> Iterator[Gap]:
    """Yield the metrics of which a method lacks windows or frames that another method has."""
    coverages = [method.coverage for method in methods]
    whole: dict[str, set[FrameKey]] = defaultdict(set)
    for covered in coverages:
        for metric, frames in covered.items():
            whole[metric] |= frames
    for method, covered in zip(methods, coverages, strict=True):
        by_part: dict[str, list[str]] = defaultdict(list)
        for metric, frames in covered.items():
            if frames != whole[metric]:
                by_part[_part(frames, whole[metric])].append(metric)
        for what, metrics in by_part.items():
            yield Gap(method.name, tuple(metrics), what)


def _part(frames: set[FrameKey], whole: set[FrameKey]) -> str:
    """Say in words which part of all windows and frames was measured."""
    windows, all_windows = ({window for window, _ in keys} for keys in (frames, whole))
    parts = []
    if windows != all_windows:
        parts.append(f"{len(windows)} of {len(all_windows)} windows")
    possible = {(window, frame) for window, frame in whole if window in windows}
    if frames != possible:
        have, could = (sorted({frame for _, frame in keys}) for keys in (frames, possible))
        if have != could:
            parts.append(f"frames {_ranges(have)} of {_ranges(could)}")
        else:
            parts.append(f"{len(frames)} of {len(possible)} frames")
    return ", ".join(parts)


def _ranges(numbers: Sequence[int]) -> str:
    """[0, 1, 2, 5] -> "0-2, 5"; numbers in order."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(str(r[0]) if len(r) == 1 else f"{r[0]}-{r[-1]}" for r in runs)
