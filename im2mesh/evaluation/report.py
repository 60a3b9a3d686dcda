"""Records -> CSV, tables and plots, and back. Computes no metric; averages only."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from im2mesh.config.validation import refuse_own_config
from im2mesh.errors import UserError
from im2mesh.evaluation.metric_info import metric_info, metrics_of
from im2mesh.evaluation.plots import plot_over_time
from im2mesh.evaluation.records import UNKNOWN, Record, read_table, write_records
from im2mesh.evaluation.summary import SummaryRow, summarize
from im2mesh.evaluation.tables import format_table
from im2mesh.files.atomic import write_text
from im2mesh.files.results import refuse_other_results, replacing_results
from im2mesh.runs.folder import CONFIG_FILE, PAGE_FILE, RECORDS_FILE, SUMMARY_FILE, RunFolder
from im2mesh.runs.origins import ResultOrigin

REPORT_FILE = "summary.md"


class InterruptedReportError(UserError):
    """An evaluation was stopped while it wrote its files."""


def summary_to_json(
    summaries: Mapping[str, Sequence[SummaryRow]],
    origin: ResultOrigin | None = None,
    advice: Sequence[str] = (),
) -> str:
    """JSON: split -> metric -> mean, std, num_windows, heading, better, unit; the origin; and, if
    there is any, the advice."""
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
    told = {"warnings": list(advice)} if advice else {}
    return json.dumps({**whence, **told, **content}, indent=2) + "\n"


def write_report(
    folder: Path | str,
    split: str,
    records: Sequence[Record],
    origin: ResultOrigin | None = None,
    advice: Sequence[str] = (),
) -> str:
    """Write records.csv, summary.md, summary.json and one plot per metric; return the table.

    Every file states the origin of its numbers: each line of records.csv its short hash, the other
    files the whole, plots in their metadata. The summaries repeat the advice.

    Raises:
        UserError: If files of somebody else would be replaced.
    """
    folder, whence = Path(folder), "" if origin is None else str(origin)
    summaries = {split: summarize(records)}
    told = "".join(f"- {text}\n" for text in advice)
    parts = [format_table(summaries, markdown=True), f"Warnings:\n\n{told}" if told else ""]
    parts += [f"{whence}\n" if whence else ""]
    metrics = dict.fromkeys(record.metric for record in records)
    with replacing_results(folder, _names(metrics)) as place:
        write_records(place / RECORDS_FILE, records, "" if origin is None else origin.id)
        write_text(place / REPORT_FILE, "\n".join(filter(None, parts)))
        for metric in metrics:
            plot_over_time(records, metric, place / _plot_name(metric), whence)
        write_text(place / SUMMARY_FILE, summary_to_json(summaries, origin, advice))
    return format_table(summaries)


def refuse_other_report(folder: Path) -> None:
    """Refuse a folder where the files of an evaluation would replace those of somebody else, or of
    a training.

    Raises:
        UserError: With the names of these files.
    """
    if RunFolder(folder).holds_training():
        raise UserError(
            f"{folder} is the folder of a training, whose {CONFIG_FILE} would be replaced; choose "
            "another --output"
        )
    refuse_own_config(folder / CONFIG_FILE)
    refuse_other_results(folder, [*_names(metrics_of("evaluation")), PAGE_FILE])


def _names(metrics: Iterable[str]) -> list[str]:
    """Names of the files of a report; the last one marks completion."""
    return [RECORDS_FILE, REPORT_FILE, *map(_plot_name, metrics), SUMMARY_FILE]


def _plot_name(metric: str) -> str:
    return f"{metric}.png"


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
