"""Several runs -> what can be compared of them, and what cannot. Writes no files."""

import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from im2mesh.comparison.result import (
    DATA_FINGERPRINT,
    FrameKey,
    MethodResult,
    WindowKey,
    evaluated_splits,
    read_result,
)
from im2mesh.errors import UserError
from im2mesh.origins import ResultOrigin

MUST_AGREE = ("evaluation.num_samples", "evaluation.seed", "data.num_frames", "data.frame_step")
TOLD = ("evaluation.project_to_final_mesh", "evaluation.frames", "data.root", DATA_FINGERPRINT)
"""Settings of eval.py: those that runs must share, and those whose difference is only told."""


@dataclass(frozen=True)
class Gap:
    """A method's metrics that were measured in less than the other methods together have.

    Attributes:
        method: Its name.
        metrics: Those that the same is true of.
        what: Which part there is, such as "frames 0, 16 of 0-16".
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
        """Settings of eval.py that methods differ in, in words."""
        found = []
        for key in TOLD:
            values = {method.name: method.settings.get(key) for method in self.methods}
            if len(set(values.values())) > 1:
                listed = ", ".join(f"{name} {value}" for name, value in values.items())
                found.append(f"{key} differs: {listed}; numbers that depend on it do not compare")
        return found

    def partial(self) -> dict[str, int]:
        """Metrics that no method has in all windows -> windows that any method has them in."""
        windows: dict[str, set[WindowKey]] = defaultdict(set)
        for method in self.methods:
            for metric, frames in method.coverage.items():
                windows[metric] |= {window for window, _ in frames}
        return {m: len(found) for m, found in windows.items() if len(found) < self.num_windows}


def compare(runs: Mapping[str, Path], split: str) -> Comparison:
    """Read the results of several runs on one split.

    Args:
        runs: Name -> output folder of a run.
        split: As in <run>/evaluation/<split>.

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
    """The splits that all runs were evaluated on, by name.

    Raises:
        UserError: If there is none, or a run is no folder.
    """
    found = {path: evaluated_splits(path) for path in paths}
    common = set.intersection(*map(set, found.values()))
    if not common:
        listed = "; ".join(f"{path} has {', '.join(s) or 'none'}" for path, s in found.items())
        raise UserError(f"no split was evaluated for all runs: {listed}; run eval.py for the rest")
    return sorted(common)


def default_names(paths: Sequence[Path]) -> list[str]:
    """Paths relative to their deepest common folder.

    >>> default_names([Path("out/pointcloud/oflow"), Path("out/pointcloud/onet4d")])
    ['oflow', 'onet4d']
    >>> default_names([Path("out/pointcloud/oflow"), Path("out/img/oflow")])
    ['pointcloud/oflow', 'img/oflow']
    """
    absolute = [Path(os.path.abspath(path)) for path in paths]  # noqa: PTH100, removes ".." too
    common = Path(os.path.commonpath(absolute))
    if common in absolute:
        common = common.parent
    return [path.relative_to(common).as_posix() for path in absolute]


def name_runs(paths: Sequence[Path], names: Sequence[str] | None = None) -> dict[str, Path]:
    """Name -> run, the names being those of `default_names` where none are given.

    Raises:
        UserError: If a run or a name comes twice, or names and runs differ in number.
    """
    if names is not None and len(names) != len(paths):
        raise UserError(f"{len(names)} names for {len(paths)} runs; --names needs one per run")
    chosen = default_names(paths) if names is None else list(names)
    twice = [name for name, count in Counter(chosen).items() if count > 1]
    if twice:
        what = "run" if names is None else "name"
        raise UserError(f"the {what} {twice[0]} is given twice; every {what} must differ")
    return dict(zip(chosen, paths, strict=True))


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


def _examples(windows: set[WindowKey]) -> str:
    shown = [f"{category}/{clip}/{start:05d}" for category, clip, start in sorted(windows)[:3]]
    more = f" and {len(windows) - 3} more" if len(windows) > 3 else ""
    return ", ".join(shown) + more


def _gaps(methods: Sequence[MethodResult]) -> Iterator[Gap]:
    """What each method lacks of the windows and frames that any method has, by metric."""
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
    """Which windows and frames there are, out of which."""
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
