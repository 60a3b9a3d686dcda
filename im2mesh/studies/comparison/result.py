"""The results of one method on one split, from the files of eval.py and generate.py."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from im2mesh.config.files import read_settings
from im2mesh.data.layout import Window
from im2mesh.errors import UserError
from im2mesh.evaluation.records import UNKNOWN, Record
from im2mesh.evaluation.report import read_report
from im2mesh.evaluation.summary import SummaryRow, summarize, with_last_frame
from im2mesh.runs.folder import CONFIG_FILE, RunFolder
from im2mesh.runs.origins import ResultOrigin
from im2mesh.runs.window_summary import broken_summary, read_summary

DATA_FINGERPRINT = "the data's fingerprint"  # kept with the settings, though it is not one
FrameKey = tuple[str, int]  # id of a window, frame
KEYS_SINCE = {"data.frame_step": 1, "evaluation.correspondence": True}
"""Keys that older evaluations lack -> value with which those were made."""


@dataclass(frozen=True)
class MethodResult:
    """The results of one method on one split.

    Attributes:
        name: Name in the tables.
        records: Records of eval.py; then `seconds` and `nfe` of every window with a window.json of
            generate.py, as records of frame 0.
        settings: Dotted key of the configuration of eval.py -> value, and the data's fingerprint.
        origin: Origin of the numbers; None if the evaluation did not state one.
    """

    name: str
    records: Sequence[Record]
    settings: Mapping[str, Any]
    origin: ResultOrigin | None = None

    @property
    def origin_id(self) -> str:
        return UNKNOWN if self.origin is None else self.origin.id

    @cached_property
    def windows(self) -> set[str]:
        """Ids of the measured windows."""
        return {record.window for record in self.records}

    def measured_windows(self) -> list[Window]:
        """The windows themselves, in the order of the records."""
        num_frames = self.settings["data.num_frames"]
        found = (
            Window(r.category, r.clip, r.start, num_frames, r.frame_step) for r in self.records
        )
        return list(dict.fromkeys(found))

    @cached_property
    def summary(self) -> dict[str, SummaryRow]:
        """Metric -> its mean over frames, then windows."""
        return {row.metric: row for row in summarize(self.records)}

    @cached_property
    def coverage(self) -> dict[str, set[FrameKey]]:
        """Metric -> the frames it was measured in."""
        covered: dict[str, set[FrameKey]] = defaultdict(set)
        for record in with_last_frame(self.records):
            covered[record.metric].add((record.window, record.frame))
        return covered


def read_result(name: str, path: Path, split: str) -> MethodResult:
    """Read the records and settings of one run on one split.

    Raises:
        UserError: If there are no records, a file is broken, or the meshes are no longer those that
            were evaluated.
    """
    run = RunFolder(path)
    config_file = run.evaluation(split) / CONFIG_FILE
    for file in (run.evaluation_records(split), config_file):
        if not file.is_file():
            raise UserError(f"{path}: no {file}; {_how_to_evaluate(run, split)}")
    stored = {key: value for key, (value, _) in read_settings(config_file).items()}
    settings = KEYS_SINCE | stored
    if "data.num_frames" not in settings:
        raise UserError(f"{config_file} lacks data.num_frames; {_how_to_evaluate(run, split)}")
    records, origin = read_report(run.evaluation(split))
    if not records:
        raise UserError(f"{run.evaluation_records(split)} is empty; {_how_to_evaluate(run, split)}")
    frame_step = settings["data.frame_step"]
    records = [replace(record, frame_step=frame_step) for record in records]  # older files lack it
    result = MethodResult(name, records, settings, origin)
    costs = _read_costs(run, split, result.measured_windows(), origin)
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
    """Seconds and function evaluations per window, as far as generate.py has written them."""
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
            yield Record.of(window, 0, metric, value)


def _read_cost(path: Path, summary: Mapping[str, Any]) -> dict[str, float]:
    """Metric -> what a window cost, without metrics that its window.json lacks."""
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
