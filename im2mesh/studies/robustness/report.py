"""A study -> a CSV of all numbers, tables in Markdown, and a plot per sweep and metric."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import astuple, fields
from pathlib import Path

import numpy as np

from im2mesh.evaluation.metric_info import metrics_of
from im2mesh.evaluation.plots import COLORS, LINES_AND_MARKERS, save_figure
from im2mesh.evaluation.tables import draw_table
from im2mesh.files.atomic import write_csv, write_text
from im2mesh.files.results import replacing_results
from im2mesh.runs.origins import list_origins, origins_section
from im2mesh.studies.robustness.study import Number, Study
from im2mesh.studies.robustness.sweeps import Sweep

_SPREAD = "Mean over windows +- its standard error; several {} are averaged per window first."
_UNIT = "Unit of length: longest side of the first true mesh. - : the method cannot answer this."
NOTES = {
    "robustness": "\n".join(
        (
            _SPREAD.format("runs of one name"),
            "Correspondence: error of true points carried from the first frame, as the mean over "
            "later frames or in the last.",
            _UNIT,
        )
    ),
    "scans": f"{_SPREAD.format('draws of the clouds')}\n{_UNIT}",
}


def write_study(folder: Path, study: Study) -> None:
    """Write <name>.csv, <name>.md and <sweep>_<metric>.png.

    Every file states the origin of its numbers: each line of the CSV its short hash, the text and
    the metadata of the plots the whole.

    Raises:
        UserError: If files of somebody else would be replaced.
    """
    lines = (
        [*astuple(number), study.origins[number.path].id]
        for numbers in study.numbers.values()
        for number in numbers
    )
    heading = [*(field.name for field in fields(Number)), "origin"]
    origins = origins_section(list_origins(study.origins))
    table, report, *_ = names = files_of_study(study, study.metrics)
    with replacing_results(folder, names) as place:
        write_csv(place / table, [heading, *lines])
        write_text(place / report, format_study(study, markdown=True) + origins)
        for sweep in study.sweeps:
            for metric in study.metrics:
                plot_sweep(study, sweep, metric, place / _plot_name(sweep, metric))


def files_of_study(study: Study, metrics: Iterable[str] | None = None) -> list[str]:
    """Names of the files that `write_study` writes once a study has the metrics; None: all."""
    metrics = metrics_of(study.name) if metrics is None else metrics
    plots = [_plot_name(sweep, metric) for sweep in study.sweeps for metric in metrics]
    return [f"{study.name}.csv", f"{study.name}.md", *plots]


def _plot_name(sweep: Sweep, metric: str) -> str:
    return f"{sweep.name}_{metric}.png"


def format_study(study: Study, markdown: bool = False) -> str:
    """One table of runs x values per sweep and metric; notes below give the reasons for gaps."""
    note = NOTES[study.name]
    parts = [f"# {study.name.capitalize()}", note] if markdown else [note]
    for sweep in study.sweeps:
        title = f"{sweep.title} (data.{sweep.key})"
        parts.append(f"## {title}" if markdown else f"== {title}")
        reasons = _numbered_reasons(study, sweep)
        for metric in study.metrics:
            info = metrics_of(study.name)[metric]
            parts.append(f"{info.title}; {info.better} is better:")
            parts.append(draw_table(_rows(study, sweep, metric, reasons), markdown))
        notes = [f"[{number}] {reason}" for reason, number in reasons.items()]
        notes += _as_configured(study, sweep)
        parts.append("\n".join(f"- {note}" for note in notes))
    return "\n\n".join(parts) + "\n"


def plot_sweep(study: Study, sweep: Sweep, metric: str, path: Path) -> None:
    """Plot a metric over the values of a sweep: one line per method, with its standard error."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # slow to import
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 3.8), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    if sweep.is_log:
        smallest = min((value for value in sweep.values if value > 0), default=1)
        axes.set_xscale("symlog", linthresh=smallest)  # a logarithm that has a place for 0
    for index, run in enumerate(study.runs):
        found = {v: study.per_window(run, sweep, v, metric) for v in sweep.values}
        curve = {value: mean_and_error(numbers) for value, numbers in found.items() if numbers}
        if not curve:
            continue
        means, errors = np.transpose(list(curve.values()))
        line, marker = LINES_AND_MARKERS[index % len(LINES_AND_MARKERS)]
        color, values = COLORS[index % len(COLORS)], list(curve)
        axes.fill_between(values, means - errors, means + errors, color=color, alpha=0.2, lw=0)
        axes.plot(values, means, color=color, ls=line, marker=marker, ms=4, label=run)
    axes.set_xticks(sweep.values, [f"{value:g}" for value in sweep.values])
    axes.set_xticks([], minor=True)
    axes.set(xlabel=sweep.title)
    axes.set_title(metrics_of(study.name)[metric].title, fontsize=10)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    if axes.lines:
        figure.legend(loc="outside right upper", frameon=False)
    save_figure(figure, path, list_origins(study.origins))


def mean_and_error(numbers: Sequence[float]) -> tuple[float, float]:
    """The mean over windows and its standard error, which nobody knows of one window: NaN."""
    count = len(numbers)
    error = float(np.std(numbers, ddof=1)) / count**0.5 if count > 1 else math.nan
    return float(np.mean(numbers)), error


def _numbered_reasons(study: Study, sweep: Sweep) -> dict[str, int]:
    """Reason for missing numbers -> number of the note that states it."""
    found = (
        reason
        for run in study.runs
        for value in sweep.values
        for reason in study.reasons(run, sweep, value)
    )
    return {reason: number for number, reason in enumerate(dict.fromkeys(found), start=1)}


def _rows(study: Study, sweep: Sweep, metric: str, reasons: dict[str, int]) -> list[list[str]]:
    rows = [["method", *(f"{value:g}" for value in sweep.values)]]
    for run, seeds in study.runs.items():
        cells = [_cell(study, run, sweep, value, metric, reasons) for value in sweep.values]
        rows.append([run if len(seeds) == 1 else f"{run} ({len(seeds)} runs)", *cells])
    return rows


def _cell(
    study: Study, run: str, sweep: Sweep, value: float, metric: str, reasons: dict[str, int]
) -> str:
    answered = study.metrics_of(run)
    if answered and metric not in answered:
        return "-"
    notes = "".join(f" [{reasons[reason]}]" for reason in study.reasons(run, sweep, value))
    numbers = study.per_window(run, sweep, value, metric)
    if not numbers:
        return f"gap{notes}"
    mean, error = mean_and_error(numbers)
    digits = metrics_of(study.name)[metric].digits
    spread = "" if math.isnan(error) else f" +- {error:.{digits}f}"
    return f"{mean:.{digits}f}{spread}{notes}"


def _as_configured(study: Study, sweep: Sweep) -> list[str]:
    """Notes on the values in the configurations of the runs, with which they were trained."""
    found: dict[float, list[str]] = {}
    for run, seeds in study.runs.items():
        for value in dict.fromkeys(getattr(data, sweep.key) for data in seeds.values()):
            found.setdefault(value, []).append(run)
    return [f"as configured: {value:g} for {', '.join(runs)}" for value, runs in found.items()]
