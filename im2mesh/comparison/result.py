"""What eval.py and generate.py have left of one method on one split."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from im2mesh.config.files import read_settings
from im2mesh.data.sequences import Window
from im2mesh.errors import UserError
from im2mesh.evaluation import Record
from im2mesh.mesh_origin import broken_summary, read_summary
from im2mesh.origins import ResultOrigin
from im2mesh.reporting import UNKNOWN, SummaryRow, read_report, summarize, with_last_frame
from im2mesh.run_folder import CONFIG_FILE, RunFolder

DATA_FINGERPRINT = "the data's fingerprint"  # beside the settings, of which it is none
WindowKey = tuple[str, str, int]  # category, clip, start
FrameKey = tuple[WindowKey, int]  # window, frame


@dataclass(frozen=True)
class MethodResult:
    """One method on one split.

    Attributes:
        name: As in the tables.
        records: From eval.py; then `seconds` and `nfe` of every window that generate.py has left
            a window.json for, as records of frame 0.
        settings: Dotted key of the configuration of eval.py -> value, and the data's fingerprint.
        origin: What made the numbers; None for those of an evaluation that did not say.
    """

    name: str
    records: Sequence[Record]
    settings: Mapping[str, Any]
    origin: ResultOrigin | None = None

    @property
    def origin_id(self) -> str:
        return UNKNOWN if self.origin is None else self.origin.id

    @cached_property
    def windows(self) -> set[WindowKey]:
        return {_window(record) for record in self.records}

    @cached_property
    def summary(self) -> dict[str, SummaryRow]:
        """Metric -> its mean over frames, then windows."""
        return {row.metric: row for row in summarize(self.records)}

    @cached_property
    def coverage(self) -> dict[str, set[FrameKey]]:
        """Metric -> the frames it was measured in."""
        covered: dict[str, set[FrameKey]] = defaultdict(set)
        for record in with_last_frame(self.records):
            covered[record.metric].add((_window(record), record.frame))
        return covered


def read_result(name: str, path: Path, split: str) -> MethodResult:
    """The records and settings of one run on one split.

    Raises:
        UserError: If there are none, a file is broken, or the meshes are no longer those that were
            evaluated.
    """
    run = RunFolder(path)
    config_file = run.evaluation(split) / CONFIG_FILE
    for file in (run.evaluation_records(split), config_file):
        if not file.is_file():
            raise UserError(f"{path}: no {file}; {_how_to_evaluate(run, split)}")
    settings = {key: value for key, (value, _) in read_settings(config_file).items()}
    if "data.num_frames" not in settings:
        raise UserError(f"{config_file} lacks data.num_frames; {_how_to_evaluate(run, split)}")
    settings.setdefault("data.frame_step", 1)  # evaluated before there was such a key
    records, origin = read_report(run.evaluation(split))
    if not records:
        raise UserError(f"{run.evaluation_records(split)} is empty; {_how_to_evaluate(run, split)}")
    window_shape = settings["data.num_frames"], settings["data.frame_step"]
    costs = _read_costs(run, split, _windows(records, *window_shape), origin)
    settings[DATA_FINGERPRINT] = UNKNOWN if origin is None else origin.evaluated_by.dataset
    return MethodResult(name, [*records, *costs], settings, origin)


def evaluated_splits(path: Path) -> list[str]:
    """The splits that a run was evaluated on."""
    if not path.is_dir():
        raise UserError(f"no folder {path}; give the output folders of runs (output_dir)")
    run = RunFolder(path)
    folders = sorted(run.evaluation("").glob("*"))
    return [folder.name for folder in folders if run.evaluation_records(folder.name).is_file()]


def _read_costs(
    run: RunFolder, split: str, windows: Sequence[Window], origin: ResultOrigin | None
) -> Iterator[Record]:
    """Seconds and function evaluations, as far as generate.py has left them."""
    evaluated = origin.runs if origin else set()
    for window in windows:
        path = run.window(split, window).summary
        if not path.is_file():
            continue  # meshes of another program
        summary = read_summary(path)
        if evaluated and summary.get("made_by", {}).get("run") not in evaluated:
            raise UserError(
                f"the meshes in {path.parent} were made anew after the evaluation; "
                "run eval.py again"
            )
        for metric, value in _read_cost(path, summary).items():
            yield Record(window.category, window.clip, window.start, 0, metric, value)


def _read_cost(path: Path, summary: Mapping[str, Any]) -> dict[str, float]:
    """What a window cost, by metric; without what its window.json does not say."""
    try:
        costs = {"seconds": summary.get("seconds"), "nfe": summary.get("nfe")}
        if costs["seconds"]:
            costs["seconds"] = sum(map(float, costs["seconds"].values()))
        return {metric: float(value) for metric, value in costs.items() if value not in (None, {})}
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        raise broken_summary(path, error) from error


def _how_to_evaluate(run: RunFolder, split: str) -> str:
    config = run.config if run.config.is_file() else "CONFIG"
    return f"run `python eval.py {config} --split {split}` first"


def _windows(records: Sequence[Record], num_frames: int, frame_step: int) -> list[Window]:
    return [Window(*key, num_frames, frame_step) for key in dict.fromkeys(map(_window, records))]


def _window(record: Record) -> WindowKey:
    return record.category, record.clip, record.start
