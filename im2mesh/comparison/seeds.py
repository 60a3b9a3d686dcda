"""Several seeds of several variants -> means and spread over the seeds, as a table and a CSV.

A seed's number is the mean of its run over frames, then windows, as everywhere else.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from im2mesh.checkpoints import load_checkpoint
from im2mesh.comparison.result import MethodResult
from im2mesh.comparison.runs import Comparison, compare
from im2mesh.files.atomic import write_csv, write_text
from im2mesh.metric_info import metric_info
from im2mesh.origins import list_origins, origins_section
from im2mesh.reporting import InterruptedReportError, draw_table, read_report, summarize
from im2mesh.run_folder import CONFIG_FILE, RunFolder

TOLD = (
    "training.max_seconds",
    "training.batch_size",
    "data.num_input_points",
    "data.root",
    "model.code_size",
    "ode.step_size",
)
"""Settings that should be the same in all runs; a difference is told."""
HEADER = (
    "Mean (standard deviation) over seeds of each run's mean over frames, then windows.\n"
    "Unit of length: longest side of the first true mesh; no distance is squared."
)
TIME_NOTE = "Times were measured while other runs had the other cores; they compare roughly."
COLUMNS = {
    "iou": metric_info("iou").column,
    "iou_0": "IoU at t = 0",
    "iou_last": "IoU, last frame",
    "chamfer_l1": metric_info("chamfer_l1").column,
    "correspondence_l2": metric_info("correspondence_l2").column,
    "correspondence_l2_last": metric_info("correspondence_l2_last").column,
    "steps": "Training steps",
    "seconds": "Seconds per window",
    "nfe": metric_info("nfe").column,
}
DIGITS = {"iou_0": 3, "iou_last": 3, "steps": 0}

Runs = Mapping[str, Mapping[int, Path]]
"""Variant -> seed -> output folder, whether or not there is anything in it."""


@dataclass(frozen=True)
class VariantSummary:
    """One variant on one split.

    Attributes:
        variant: Its name.
        seeds: Those that were evaluated.
        values: Key of `COLUMNS` -> one number per seed that has it.
        origins: Hashes of what made the numbers, one per seed.
    """

    variant: str
    seeds: Sequence[int]
    values: dict[str, list[float]]
    origins: Sequence[str]


def is_evaluated(run: RunFolder, split: str) -> bool:
    """Whether eval.py has finished with a split."""
    config = run.evaluation(split) / CONFIG_FILE
    if not (run.evaluation_records(split).is_file() and config.is_file()):
        return False
    try:
        read_report(run.evaluation(split))
    except InterruptedReportError:
        return False
    return True


def write_summary(out: Path, title: str, runs: Runs, splits: Sequence[str]) -> str:
    """Write summary.md and summary.csv of the runs there are, with the origin of their numbers.

    Returns:
        The text of summary.md but for the origins.
    """
    parts, lines, origins = [f"# {title}", HEADER], [], []
    for split in splits:
        split_parts, rows, origin = _summarize_split(runs, split)
        parts += split_parts
        origins.append(f"{split}:\n\n{origin}")
        lines += [[split, *line] for row in rows for line in _csv_lines(row)]
    parts.append(TIME_NOTE)
    text = "\n\n".join(filter(None, parts)) + "\n"
    out.mkdir(parents=True, exist_ok=True)
    write_text(out / "summary.md", text + origins_section(*origins))
    heading = ["split", "variant", "metric", "mean", "std", "num_seeds", "origins"]
    write_csv(out / "summary.csv", [heading, *lines])
    return text


def spread(values: Sequence[float]) -> float:
    """Standard deviation of the population that the seeds are drawn from; nan for a single one."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")


def _summarize_split(runs: Runs, split: str) -> tuple[list[str], list[VariantSummary], str]:
    """Heading, table and notes; the rows; and what made their numbers."""
    found = {
        f"{variant}/seed{seed}": path
        for variant, seeds in runs.items()
        for seed, path in seeds.items()
        if is_evaluated(RunFolder(path), split)
    }
    comparison = compare(found, split) if found else None
    results = {method.name: method for method in (comparison.methods if comparison else ())}
    rows = [_summarize(variant, seeds, results) for variant, seeds in runs.items()]
    missing = [
        f"missing: {row.variant}, seed {', '.join(map(str, absent))}"
        for row in rows
        if (absent := [seed for seed in runs[row.variant] if seed not in row.seeds])
    ]
    notes = [*missing, *(_notes(comparison) if comparison else [])]
    windows = comparison.num_windows if comparison else 0
    listed = "\n".join(f"- {note}" for note in notes)
    origins = list_origins(comparison.origins if comparison else {})
    return [f"## {split} (windows: {windows})", _table(rows), listed], rows, origins


def _summarize(
    variant: str, seeds: Mapping[int, Path], results: Mapping[str, MethodResult]
) -> VariantSummary:
    values: dict[str, list[float]] = {key: [] for key in COLUMNS}
    found = [seed for seed in seeds if f"{variant}/seed{seed}" in results]
    for seed in found:
        for key, value in _numbers(results[f"{variant}/seed{seed}"], seeds[seed]).items():
            values[key].append(value)
    origins = [results[f"{variant}/seed{seed}"].origin_id for seed in found]
    return VariantSummary(variant, found, values, origins)


def _numbers(result: MethodResult, path: Path) -> dict[str, float]:
    """What one run has of `COLUMNS`."""
    numbers = {key: row.mean for key, row in result.summary.items() if key in COLUMNS}
    last_frame = result.settings["data.num_frames"] - 1
    for key, frame in (("iou_0", 0), ("iou_last", last_frame)):
        rows = summarize([r for r in result.records if r.metric == "iou" and r.frame == frame])
        if rows:
            numbers[key] = rows[0].mean
    checkpoint = RunFolder(path).checkpoint
    if checkpoint.is_file():
        numbers["steps"] = float(load_checkpoint(checkpoint).iteration)
    return numbers


def _table(rows: Sequence[VariantSummary]) -> str:
    cells = [
        [row.variant, str(len(row.seeds)), *(_cell(key, row.values[key]) for key in COLUMNS)]
        for row in rows
    ]
    return draw_table([["variant", "seeds", *COLUMNS.values()], *cells], markdown=True)


def _cell(key: str, values: Sequence[float]) -> str:
    if not values:
        return "-"
    digits = DIGITS.get(key, metric_info(key).digits)
    mean = f"{np.mean(values):.{digits}f}"
    return f"{mean} ({spread(values):.{digits}f})" if len(values) > 1 else mean


def _csv_lines(row: VariantSummary) -> Iterator[list[str | float | int]]:
    origins = " ".join(row.origins)
    for key, values in row.values.items():
        if values:
            mean = float(np.mean(values))
            yield [row.variant, key, mean, spread(values), len(values), origins]


def _notes(comparison: Comparison) -> Iterator[str]:
    """Whatever keeps the numbers from being compared."""
    for gap in comparison.gaps:
        metrics = [key for key in gap.metrics if key in COLUMNS]
        if metrics:
            yield f"{gap.method}: only {gap.what}, in {', '.join(COLUMNS[key] for key in metrics)}"
    for method in comparison.methods:
        row = method.summary.get("empty")
        if row is not None and row.mean > 0:
            yield f"{method.name}: {row.mean:.1%} of the meshes are empty"
    for key in TOLD:
        runs: dict[object, list[str]] = {}
        for method in comparison.methods:
            runs.setdefault(method.settings.get(key), []).append(method.name)
        if len(runs) > 1:
            listed = "; ".join(f"{value} in {', '.join(names)}" for value, names in runs.items())
            yield f"{key} differs: {listed}"
