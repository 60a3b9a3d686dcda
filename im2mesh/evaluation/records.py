"""Records, which are single measured numbers, and tables of them in files."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from im2mesh.data.layout import Window, check_name, window_id
from im2mesh.errors import UserError
from im2mesh.files.atomic import write_csv


@dataclass(frozen=True)
class Record:
    """One measured number.

    Attributes:
        category, clip, start, frame_step: The window (see `Window`).
        frame: Number of the frame within the window, from 0.
        metric: Name of a metric in the table of `im2mesh.evaluation.metric_info`.
        value: Lengths are in units of the longest side of the first true mesh.
    """

    category: str
    clip: str
    start: int
    frame: int
    metric: str
    value: float
    frame_step: int = 1

    @classmethod
    def of(cls, window: Window, frame: int, metric: str, value: float) -> "Record":
        place = window.category, window.clip, window.start
        return cls(*place, frame, metric, value, window.frame_step)

    @property
    def window(self) -> str:
        """The `Window.id` of the measured window."""
        return window_id(self.category, self.clip, self.start, self.frame_step)


COLUMNS = ("category", "clip", "start", "frame_step", "frame", "metric", "value")
NEEDED = tuple(name for name in COLUMNS if name != "frame_step")
"""The columns that every file has; older files lack frame_step."""
UNKNOWN = "unknown"  # in place of the id of an origin that a file does not state


def write_records(path: Path | str, records: Sequence[Record], origin: str = "") -> None:
    """Write one line per number: window, frame, metric, value and origin."""
    lines = ([*(getattr(record, name) for name in COLUMNS), origin] for record in records)
    write_csv(Path(path), [[*COLUMNS, "origin"], *lines])


def read_table(path: Path) -> tuple[list[Record], str]:
    """Read what `write_records` wrote, digit for digit: the records and the id of their origin.

    Raises:
        UserError: If the file is missing, lacks a column, has a line that is no record, or holds
            records of several evaluations.
    """
    if not path.is_file():
        raise UserError(f"no records at {path}; run eval.py first")
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        try:
            missing = [name for name in NEEDED if name not in (reader.fieldnames or [])]
            if missing:
                raise UserError(f"it has no column {', '.join(missing)}")
            rows = list(reader)
            origins = sorted({row.get("origin") or UNKNOWN for row in rows})
            if len(origins) > 1:
                raise UserError(f"records of several evaluations ({', '.join(origins)}) are mixed")
            return [_parse_record(row) for row in rows], "".join(origins) or UNKNOWN
        except (ValueError, csv.Error) as error:
            raise UserError(
                f"{path}, line {reader.line_num}: {error}; run eval.py again"
            ) from error


def _parse_record(row: Mapping[str, str | None]) -> Record:
    values = {name: row[name] for name in NEEDED}
    missing = [name for name, value in values.items() if not value]
    if missing:
        raise UserError(f"no value for {', '.join(missing)}")
    category, clip, start, frame, metric, value = map(str, values.values())
    check_name(category, "category")
    check_name(clip, "clip")
    frame_step = int(row.get("frame_step") or 1)
    return Record(category, clip, int(start), int(frame), metric, float(value), frame_step)
