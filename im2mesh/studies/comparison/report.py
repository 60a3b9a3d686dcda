"""Comparisons -> tables in Markdown, a CSV of all numbers, and plots over time."""

from collections.abc import Iterator, Sequence
from dataclasses import astuple, fields
from pathlib import Path

import numpy as np

from im2mesh.evaluation.metric_info import METRICS, metric_info
from im2mesh.evaluation.plots import COLORS, LINES_AND_MARKERS, frame_plot, values_by_frame
from im2mesh.evaluation.summary import SummaryRow
from im2mesh.evaluation.tables import draw_table, format_value
from im2mesh.files.atomic import write_csv, write_text
from im2mesh.files.results import replacing_results
from im2mesh.runs.origins import list_origins, origins_section
from im2mesh.studies.comparison.runs import Comparison

HEADER = (
    "Mean (standard deviation) over windows of the mean over frames; {best}.\n"
    "Unit of length: longest side of the first true mesh; [length] is not squared, [length^2] is."
)
GAP_NOTE = (
    "Means over different windows or frames do not compare: numbers with a [note] are never best."
)
TIME_NOTE = (
    "Times come from the machines that generated the meshes; only times of one machine compare."
)
ONCE_PER_WINDOW = ("correspondence_l2_last", "seconds", "nfe")


def write_comparison(folder: Path, comparisons: Sequence[Comparison]) -> None:
    """Write comparison.md, comparison.csv and a plot <split>_<metric>.png per metric.

    Every file states the origin of its numbers: each line of the CSV its short hash, the text and
    the metadata of the plots the whole.

    Raises:
        UserError: If files of somebody else would be replaced.
    """
    plots = {
        f"{comparison.split}_{metric}.png": (comparison, metric)
        for comparison in comparisons
        for metric in shown_metrics(comparison)
        if metric not in ONCE_PER_WINDOW
    }
    origins = origins_section(*(f"{c.split}:\n\n{list_origins(c.origins)}" for c in comparisons))
    table = format_comparisons(comparisons, markdown=True)
    with replacing_results(folder, ["comparison.md", "comparison.csv", *plots]) as place:
        write_text(place / "comparison.md", table + origins)
        _write_csv(place / "comparison.csv", comparisons)
        for name, (comparison, metric) in plots.items():
            plot_methods(comparison, metric, place / name)


def format_comparisons(
    comparisons: Sequence[Comparison], markdown: bool = False, width: int | None = None
) -> str:
    """A table of methods x metrics per split, notes on what does not compare, and a legend.

    Args:
        markdown: Whether to write Markdown, the best in bold; else the best has a star.
        width: Width in characters at which a table is split into several; None for no limit.
    """
    parts = ["# Comparison"] if markdown else []
    parts += [HEADER.format(best="the best in bold" if markdown else "* the best")]
    for comparison in comparisons:
        title = f"{comparison.split} (windows: {comparison.num_windows})"
        blocks = _blocks(_rows(comparison, markdown), width)
        parts.append(f"## {title}" if markdown else title)
        parts += [draw_table(block, markdown) for block in blocks]
        parts += ["\n".join(f"- {note}" for note in notes(comparison))]
    parts.append(draw_table(_legend(comparisons), markdown))
    return "\n\n".join(filter(None, parts)) + "\n"


def shown_metrics(comparison: Comparison) -> list[str]:
    """The metrics with a column, in the order of METRICS; `empty` only if some mesh is empty."""
    found = {name for method in comparison.methods for name in method.summary}
    if _empty_fractions(comparison) == {0.0}:
        found.remove("empty")
    return _in_order(found)


def best_methods(comparison: Comparison, metric: str) -> set[str]:
    """The methods whose printed mean is the best of at least two means that compare."""
    info = metric_info(metric)
    incomplete = {gap.method for gap in comparison.gaps if metric in gap.metrics}
    means = {
        method.name: round(row.mean, info.digits)
        for method in comparison.methods
        if (row := method.summary.get(metric)) and method.name not in incomplete
    }
    if len(means) < 2 or not info.better:
        return set()
    best = (max if info.better == "higher" else min)(means.values())
    return {name for name, mean in means.items() if mean == best}


def notes(comparison: Comparison) -> Iterator[str]:
    """Notes on what keeps numbers from being compared, with the [numbers] of the table's cells."""
    shown = shown_metrics(comparison)
    gaps = []
    for number, gap in enumerate(comparison.gaps, start=1):
        names = ", ".join(metric_info(name).name for name in shown if name in gap.metrics)
        if names:
            gaps.append(f"[{number}] {gap.method}: only {gap.what}, in {names}")
    yield from [*gaps, GAP_NOTE] if gaps else []
    for metric, count in comparison.partial().items():
        if metric in shown:
            of = f"{count} of the {comparison.num_windows} windows"
            yield f"{metric_info(metric).name}: measured in only {of}, by all methods together"
    yield from comparison.differences()
    if _empty_fractions(comparison) == {0.0}:
        yield "No mesh of any method is empty."
    if "seconds" in shown:
        yield TIME_NOTE


def plot_methods(comparison: Comparison, metric: str, path: Path) -> None:
    """Plot the mean of a metric over windows for each frame, one line per method that has it."""
    origins = list_origins(comparison.origins)
    with frame_plot(metric, path, size=(7.5, 3.8), origin=origins) as axes:
        for index, method in enumerate(comparison.methods):
            by_frame = values_by_frame(method.records, metric)
            if not by_frame:
                continue
            frames, means = list(by_frame), [np.mean(values) for values in by_frame.values()]
            color, line, marker = _style(index, frames)
            axes.plot(frames, means, color=color, ls=line, marker=marker, label=method.name)
        axes.figure.legend(loc="outside right upper", frameon=False)


def _style(index: int, frames: Sequence[int]) -> tuple[str, str, str]:
    """Colour, line and marker of a method, the same in all plots; the first 112 all differ.

    The line is dotted where it crosses frames that were not measured.
    """
    line, marker = LINES_AND_MARKERS[index % len(LINES_AND_MARKERS)]
    has_gaps = len(frames) <= frames[-1] - frames[0]
    return COLORS[index % len(COLORS)], ":" if has_gaps else line, marker


def _rows(comparison: Comparison, markdown: bool) -> list[list[str]]:
    """The table of a split: a heading, then one row per method."""
    columns = [["method", *(method.name for method in comparison.methods)]]
    for metric in shown_metrics(comparison):
        columns.append([metric_info(metric).column, *_cells(comparison, metric, markdown)])
    return [list(row) for row in zip(*columns, strict=True)]


def _cells(comparison: Comparison, metric: str, markdown: bool) -> Iterator[str]:
    """One column: the best numbers are marked, those that do not compare point to a note."""
    best = best_methods(comparison, metric)
    numbers = {
        gap.method: f" [{number}]"
        for number, gap in enumerate(comparison.gaps, start=1)
        if metric in gap.metrics
    }
    for method in comparison.methods:
        row = method.summary.get(metric)
        if row is None:
            yield "-"
            continue
        value = format_value(row)
        if method.name in best:
            mean, spread = value.split(" ")
            value = f"**{mean}** {spread}" if markdown else f"{value} *"
        yield value + numbers.get(method.name, "")


def _blocks(table: list[list[str]], width: int | None) -> Iterator[list[list[str]]]:
    """Split a table into tables no wider than `width`, each of which has the first column."""
    widths = [max(map(len, column)) + 2 for column in zip(*table, strict=True)]
    chosen: list[int] = []
    for index in range(1, len(widths)):
        needed = widths[0] + sum(widths[i] for i in chosen) + widths[index] - 2
        if chosen and width is not None and needed > width:
            yield [[row[0], *(row[i] for i in chosen)] for row in table]
            chosen = []
        chosen.append(index)
    yield [[row[0], *(row[i] for i in chosen)] for row in table]


def _legend(comparisons: Sequence[Comparison]) -> list[list[str]]:
    """The legend: the meaning of the columns of all tables."""
    shown = {name for comparison in comparisons for name in shown_metrics(comparison)}
    infos = [metric_info(name) for name in _in_order(shown)]
    rows = [[info.column, info.heading, info.better or "-"] for info in infos]
    return [["column", "meaning", "better"], *rows]


def _in_order(metrics: set[str]) -> list[str]:
    """Sort metrics: first those of METRICS in its order, then all others by name."""
    return [name for name in METRICS if name in metrics] + sorted(metrics - METRICS.keys())


def _empty_fractions(comparison: Comparison) -> set[float]:
    rows = [method.summary.get("empty") for method in comparison.methods]
    return {row.mean for row in rows if row is not None}


def _write_csv(path: Path, comparisons: Sequence[Comparison]) -> None:
    """One line per number, with all its digits; also of columns that the tables leave out."""
    names = [field.name for field in fields(SummaryRow)]
    lines = (
        [comparison.split, method.name, *astuple(row), method.origin_id]
        for comparison in comparisons
        for method in comparison.methods
        for row in method.summary.values()
    )
    write_csv(path, [["split", "method", *names, "origin"], *lines])
