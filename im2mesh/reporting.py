"""Records -> CSV, tables and plots, and back. Computes no metric; averages only."""

import csv
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import numpy as np

from im2mesh.data.sequences import check_name
from im2mesh.errors import UserError
from im2mesh.evaluation import Record
from im2mesh.files.atomic import write_csv, write_text
from im2mesh.metric_info import METRICS, metric_info
from im2mesh.origins import ResultOrigin
from im2mesh.plots import plot_over_time

RECORDS_FILE, SUMMARY_FILE = "records.csv", "summary.json"
UNKNOWN = "unknown"  # in place of the id of an origin that is not told


class InterruptedReportError(UserError):
    """An evaluation was stopped while it wrote its files."""


@dataclass(frozen=True)
class SummaryRow:
    """One metric of one split: the mean over frames, then over windows.

    Attributes:
        metric: A key of METRICS, or any other name found in the records.
        mean: Over windows, of the means over frames.
        std: Over windows (population), of the means over frames.
        num_windows: Windows that have this metric.
    """

    metric: str
    mean: float
    std: float
    num_windows: int


def write_records(path: Path | str, records: Sequence[Record], origin: str = "") -> None:
    """Write one line per number: category, clip, start, frame, metric, value, and their origin."""
    names = [field.name for field in fields(Record)]
    lines = ([*(getattr(record, name) for name in names), origin] for record in records)
    write_csv(Path(path), [[*names, "origin"], *lines])


def read_records(path: Path | str) -> list[Record]:
    """Read what `write_records` wrote, digit for digit.

    Raises:
        UserError: If the file is missing, lacks a column, has a line that is no record, or holds
            records of several evaluations.
    """
    return _read_table(Path(path))[0]


def _read_table(path: Path) -> tuple[list[Record], str]:
    """The records, and the id of their origin."""
    if not path.is_file():
        raise UserError(f"no records at {path}; run eval.py first")
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        try:
            missing = [f.name for f in fields(Record) if f.name not in (reader.fieldnames or [])]
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
    values = {field.name: row[field.name] for field in fields(Record)}
    missing = [name for name, value in values.items() if not value]
    if missing:
        raise UserError(f"no value for {', '.join(missing)}")
    category, clip, start, frame, metric, value = map(str, values.values())
    check_name(category, "category")
    check_name(clip, "clip")
    return Record(category, clip, int(start), int(frame), metric, float(value))


def summarize(records: Sequence[Record]) -> list[SummaryRow]:
    """Average every metric over frames, then over windows, so that every window counts the same.

    The rows come in the order of METRICS, correspondence_l2_last among them.
    """
    per_window: dict[str, dict[tuple, list[float]]] = defaultdict(lambda: defaultdict(list))
    for r in with_last_frame(records):
        per_window[r.metric][r.category, r.clip, r.start].append(r.value)
    known = list(METRICS)
    rows = []
    for name in sorted(per_window, key=lambda n: known.index(n) if n in known else len(known)):
        means = [np.mean(values) for values in per_window[name].values()]
        rows.append(SummaryRow(name, float(np.mean(means)), float(np.std(means)), len(means)))
    return rows


def with_last_frame(records: Sequence[Record]) -> list[Record]:
    """The records, and those of the last frame's correspondence once more by a name of its own."""
    last: dict[tuple, Record] = {}
    for r in records:
        window = r.category, r.clip, r.start
        if r.metric == "correspondence_l2" and (window not in last or r.frame > last[window].frame):
            last[window] = r
    return [*records, *(replace(r, metric="correspondence_l2_last") for r in last.values())]


def format_table(summaries: Mapping[str, Sequence[SummaryRow]], markdown: bool = False) -> str:
    """An aligned table for the terminal, or one in Markdown.

    Args:
        summaries: Split -> its rows; each split becomes a column.
        markdown: Whether to draw it as a Markdown table.
    """
    names = list(dict.fromkeys(row.metric for rows in summaries.values() for row in rows))
    table = [["metric", "better", *summaries]]
    for name in names:
        info = metric_info(name)
        table.append([info.title, info.better, *(_cell(rows, name) for rows in summaries.values())])
    counts = ", ".join(f"{n} {_count(rows)}" for n, rows in summaries.items())
    note = f"Mean (standard deviation) over windows of the mean over frames. Windows: {counts}."
    drawn = draw_table(table, markdown)
    return f"{drawn}\n\n{note}\nUnit of length: longest side of the first true mesh.\n"


def draw_table(table: Sequence[Sequence[str]], markdown: bool = False) -> str:
    """Draw rows of cells, the first being the heading, with columns of equal width.

    Args:
        table: Rows of equal length.
        markdown: Whether to draw it as a Markdown table.
    """
    if markdown:
        table = [[cell.replace("|", "\\|") for cell in row] for row in table]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = [[cell.ljust(w) for cell, w in zip(row, widths, strict=True)] for row in table]
    lines.insert(1, ["-" * width for width in widths])
    if markdown:
        return "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return "\n".join("  ".join(line).rstrip() for line in lines)


def summary_to_json(
    summaries: Mapping[str, Sequence[SummaryRow]], origin: ResultOrigin | None = None
) -> str:
    """Split -> metric -> mean, std, num_windows how to read them; under "origin", whence."""
    content = {
        split: {
            row.metric: {
                **{key: value for key, value in asdict(row).items() if key != "metric"},
                **{k: getattr(metric_info(row.metric), k) for k in ("heading", "better", "unit")},
            }
            for row in rows
        }
        for split, rows in summaries.items()
    }
    whence = {} if origin is None else {"origin": {"id": origin.id, **origin.as_dict()}}
    return json.dumps({**whence, **content}, indent=2) + "\n"


def write_report(
    folder: Path | str, split: str, records: Sequence[Record], origin: ResultOrigin | None = None
) -> str:
    """Write records.csv, summary.md, summary.json and one plot per metric; returns the table.

    Each file carries the origin of its numbers: a line of records its short hash, a plot the whole
    in its metadata.
    """
    folder, whence = Path(folder), "" if origin is None else str(origin)
    (folder / SUMMARY_FILE).unlink(missing_ok=True)  # that of an earlier report is not of this one
    write_records(folder / RECORDS_FILE, records, "" if origin is None else origin.id)
    summaries = {split: summarize(records)}
    table = format_table(summaries, markdown=True)
    write_text(folder / "summary.md", f"{table}\n{whence}\n" if whence else table)
    for metric in dict.fromkeys(record.metric for record in records):
        plot_over_time(records, metric, folder / f"{metric}.png", whence)
    write_text(folder / SUMMARY_FILE, summary_to_json(summaries, origin))  # last: all is there
    return format_table(summaries)


def read_report(folder: Path) -> tuple[list[Record], ResultOrigin | None]:
    """The records in a folder and what made them, None where they do not say.

    Raises:
        InterruptedReportError: If records.csv and summary.json are of different evaluations.
        UserError: If a file is broken, or there are no records.
    """
    records, origin_id = _read_table(folder / RECORDS_FILE)
    origin = _read_origin(folder)
    if origin_id != (UNKNOWN if origin is None else origin.id):
        raise InterruptedReportError(
            f"the results in {folder} were written by an evaluation that was interrupted; "
            "run eval.py again"
        )
    return records, origin


def _read_origin(folder: Path) -> ResultOrigin | None:
    path = folder / SUMMARY_FILE
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text()).get("origin")
        return ResultOrigin.from_dict(content) if content else None
    except (ValueError, AttributeError, KeyError, TypeError, RecursionError) as error:
        raise UserError(f"{path} is broken; run eval.py again") from error


def is_reported(folder: Path, origin: ResultOrigin) -> bool:
    """Whether the results of this origin are there: summary.json is written last."""
    return _read_origin(folder) == origin


def format_value(row: SummaryRow) -> str:
    """The mean, and in brackets the standard deviation, with the digits of the metric."""
    digits = metric_info(row.metric).digits
    return f"{row.mean:.{digits}f} ({row.std:.{digits}f})"


def _cell(rows: Sequence[SummaryRow], metric: str) -> str:
    return next((format_value(row) for row in rows if row.metric == metric), "-")


def _count(rows: Sequence[SummaryRow]) -> str:
    """Number of windows; where metrics cover fewer windows than others, that is told."""
    most = max((row.num_windows for row in rows), default=0)
    fewer = [f"{row.metric} {row.num_windows}" for row in rows if row.num_windows < most]
    return f"{most} ({', '.join(fewer)})" if fewer else str(most)
