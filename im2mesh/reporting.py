"""Records -> CSV, tables and plots. Computes no metric; averages only."""

import csv
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np

from im2mesh.errors import UserError
from im2mesh.evaluation import Record

RECORDS_FILE = "records.csv"


@dataclass(frozen=True)
class MetricInfo:
    """How a metric is called and read."""

    heading: str
    better: str
    unit: str = ""

    @property
    def title(self) -> str:
        return f"{self.heading} [{self.unit}]" if self.unit else self.heading


METRICS = {
    "iou": MetricInfo("IoU", "higher"),
    "chamfer_l1": MetricInfo("Chamfer-L1: mean of both distances, not squared", "lower", "length"),
    "chamfer_l2": MetricInfo("Chamfer-L2: sum of both squared distances", "lower", "length^2"),
    "accuracy": MetricInfo("Accuracy: prediction to truth, not squared", "lower", "length"),
    "completeness": MetricInfo("Completeness: truth to prediction, not squared", "lower", "length"),
    "normal_consistency": MetricInfo("Normal consistency: mean absolute cosine", "higher"),
    "correspondence_l2": MetricInfo("Correspondence, not squared", "lower", "length"),
    "correspondence_l2_last": MetricInfo(
        "Correspondence of the last frame, not squared", "lower", "length"
    ),
    "empty": MetricInfo("Empty meshes, fraction of frames", "lower"),
}
"""In the order of the tables; correspondence_l2_last is derived from the last frame's records."""


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


def write_records(path: Path | str, records: Sequence[Record]) -> None:
    """Write one line per number: category, clip, start, frame, metric, value."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    names = [field.name for field in fields(Record)]
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows([getattr(record, name) for name in names] for record in records)


def read_records(path: Path | str) -> list[Record]:
    """Read what `write_records` wrote, digit for digit.

    Raises:
        UserError: If the file is missing, lacks a column or has a line that is no record.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"no records at {path}; run eval.py first")
    with path.open(newline="") as file:
        reader = csv.DictReader(file)
        missing = [f.name for f in fields(Record) if f.name not in (reader.fieldnames or [])]
        if missing:
            raise UserError(f"{path}: no column {', '.join(missing)}")
        try:
            return [
                Record(
                    row["category"], row["clip"], int(row["start"]), int(row["frame"]),
                    row["metric"], float(row["value"]),
                )
                for row in reader
            ]  # fmt: skip
        except (ValueError, TypeError) as error:
            raise UserError(f"{path}, line {reader.line_num}: {error}") from error


def summarize(records: Sequence[Record]) -> list[SummaryRow]:
    """Average every metric over frames, then over windows, so that every window counts the same."""
    per_window: dict[str, dict[tuple, list[tuple[int, float]]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for r in records:
        per_window[r.metric][r.category, r.clip, r.start].append((r.frame, r.value))
    means = {
        metric: [float(np.mean([value for _, value in frames])) for frames in windows.values()]
        for metric, windows in per_window.items()
    }
    if "correspondence_l2" in per_window:
        windows = per_window["correspondence_l2"].values()
        means["correspondence_l2_last"] = [max(frames)[1] for frames in windows]
    known = list(METRICS)
    names = sorted(means, key=lambda n: known.index(n) if n in known else len(known))
    return [
        SummaryRow(name, float(np.mean(means[name])), float(np.std(means[name])), len(means[name]))
        for name in names
    ]


def format_table(summaries: Mapping[str, Sequence[SummaryRow]], markdown: bool = False) -> str:
    """An aligned table for the terminal, or one in Markdown.

    Args:
        summaries: Split -> its rows; each split becomes a column.
        markdown: Whether to draw it as a Markdown table.
    """
    names = list(dict.fromkeys(row.metric for rows in summaries.values() for row in rows))
    table = [["metric", "better", *summaries]]
    for name in names:
        info = METRICS.get(name, MetricInfo(name, ""))
        table.append([info.title, info.better, *(_cell(rows, name) for rows in summaries.values())])
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = [[cell.ljust(w) for cell, w in zip(row, widths, strict=True)] for row in table]
    rule = ["-" * width for width in widths]
    if markdown:
        drawn = ["| " + " | ".join(line) + " |" for line in [lines[0], rule, *lines[1:]]]
    else:
        drawn = ["  ".join(line).rstrip() for line in [lines[0], rule, *lines[1:]]]
    counts = ", ".join(f"{n} {_count(rows)}" for n, rows in summaries.items())
    note = f"Mean (standard deviation) over windows of the mean over frames. Windows: {counts}."
    return "\n".join([*drawn, "", note, "Unit of length: longest side of the first true mesh.", ""])


def summary_to_json(summaries: Mapping[str, Sequence[SummaryRow]]) -> str:
    """Split -> metric -> mean, std, num_windows and how to read them."""
    content = {
        split: {
            row.metric: {
                **{key: value for key, value in asdict(row).items() if key != "metric"},
                **asdict(METRICS.get(row.metric, MetricInfo(row.metric, ""))),
            }
            for row in rows
        }
        for split, rows in summaries.items()
    }
    return json.dumps(content, indent=2) + "\n"


def plot_over_time(records: Sequence[Record], metric: str, path: Path | str) -> None:
    """Plot the mean of a metric over windows for each frame, with the spread between windows.

    The band holds the middle 80 % of the windows.

    Raises:
        ValueError: If the records lack the metric.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # slow to import
    from matplotlib.figure import Figure

    by_frame: dict[int, list[float]] = defaultdict(list)
    for record in records:
        if record.metric == metric:
            by_frame[record.frame].append(record.value)
    if not by_frame:
        found = ", ".join(sorted({record.metric for record in records})) or "none"
        raise ValueError(f"no record of {metric}; there are: {found}")
    frames = sorted(by_frame)
    low, high = np.transpose([np.percentile(by_frame[k], (10, 90)) for k in frames])
    info = METRICS.get(metric, MetricInfo(metric, ""))
    figure = Figure(figsize=(6, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.fill_between(frames, low, high, alpha=0.2, lw=0, label="middle 80 % of windows")
    axes.plot(frames, [np.mean(by_frame[k]) for k in frames], lw=2, marker="o", ms=3, label="mean")
    axes.set(xlabel="frame", title=info.title)
    axes.title.set_fontsize(11)
    axes.locator_params(axis="x", integer=True)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=150)


def write_report(folder: Path | str, split: str, records: Sequence[Record]) -> str:
    """Write records.csv, summary.md, summary.json and one plot per metric; returns the table."""
    folder = Path(folder)
    write_records(folder / RECORDS_FILE, records)
    summaries = {split: summarize(records)}
    (folder / "summary.md").write_text(format_table(summaries, markdown=True))
    (folder / "summary.json").write_text(summary_to_json(summaries))
    for metric in dict.fromkeys(record.metric for record in records):
        plot_over_time(records, metric, folder / f"{metric}.png")
    return format_table(summaries)


def _cell(rows: Sequence[SummaryRow], metric: str) -> str:
    for row in rows:
        if row.metric == metric:
            return f"{row.mean:.5f} ({row.std:.5f})"
    return "-"


def _count(rows: Sequence[SummaryRow]) -> str:
    """Number of windows; where metrics cover fewer windows than others, that is told."""
    most = max((row.num_windows for row in rows), default=0)
    fewer = [f"{row.metric} {row.num_windows}" for row in rows if row.num_windows < most]
    return f"{most} ({', '.join(fewer)})" if fewer else str(most)
