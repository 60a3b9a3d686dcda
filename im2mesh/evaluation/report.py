"""Records -> CSV, tables and plots, and back. Computes no metric; averages only."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from im2mesh.errors import UserError
from im2mesh.evaluation.metric_info import metric_info
from im2mesh.evaluation.plots import plot_over_time
from im2mesh.evaluation.records import UNKNOWN, Record, read_table, write_records
from im2mesh.evaluation.summary import SummaryRow, summarize
from im2mesh.evaluation.tables import format_table
from im2mesh.files.atomic import write_text
from im2mesh.runs.folder import CONFIG_FILE, RECORDS_FILE, SUMMARY_FILE
from im2mesh.runs.origins import ResultOrigin


class InterruptedReportError(UserError):
    """An evaluation was stopped while it wrote its files."""


def summary_to_json(
    summaries: Mapping[str, Sequence[SummaryRow]], origin: ResultOrigin | None = None
) -> str:
    """JSON: split -> metric -> mean, std, num_windows, heading, better, unit; and the origin."""
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
    """Write records.csv, summary.md, summary.json and one plot per metric; return the table.

    Every file states the origin of its numbers: each line of records.csv its short hash, the other
    files the whole, plots in their metadata.
    """
    folder, whence = Path(folder), "" if origin is None else str(origin)
    (folder / SUMMARY_FILE).unlink(missing_ok=True)  # it belongs to earlier records
    write_records(folder / RECORDS_FILE, records, "" if origin is None else origin.id)
    summaries = {split: summarize(records)}
    table = format_table(summaries, markdown=True)
    write_text(folder / "summary.md", f"{table}\n{whence}\n" if whence else table)
    for metric in dict.fromkeys(record.metric for record in records):
        plot_over_time(records, metric, folder / f"{metric}.png", whence)
    write_text(folder / SUMMARY_FILE, summary_to_json(summaries, origin))  # last: marks completion
    return format_table(summaries)


def refuse_other_results(folder: Path) -> None:
    """Refuse a folder where a report would replace files of somebody else: results of eval.py lie
    beside the config that made them.

    Raises:
        UserError: With the names of these files.
    """
    names = (RECORDS_FILE, SUMMARY_FILE, "summary.md")
    there = [name for name in names if (folder / name).exists()]
    if there and not (folder / CONFIG_FILE).is_file():
        raise UserError(
            f"{folder} holds {', '.join(there)} without the {CONFIG_FILE} of an evaluation, so "
            "this program did not write them; choose another --output, or move them away"
        )


def read_report(folder: Path) -> tuple[list[Record], ResultOrigin | None]:
    """Read the records in a folder and their origin, which is None if the files do not state it.

    Raises:
        InterruptedReportError: If records.csv and summary.json are of different evaluations.
        UserError: If a file is broken, or there are no records.
    """
    records, origin_id = read_table(folder / RECORDS_FILE)
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
    """Whether the report of this origin is complete; summary.json is written last."""
    return _read_origin(folder) == origin
