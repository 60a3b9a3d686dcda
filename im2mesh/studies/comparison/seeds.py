"""Several seeds of several variants -> means and spread over the seeds, as a table and a CSV.

A seed's number is the mean of its run over frames, then windows, as everywhere else.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from im2mesh.config.effects import Affects, keys_affecting
from im2mesh.config.schema import Config
from im2mesh.evaluation.metric_info import metrics_of
from im2mesh.evaluation.report import InterruptedReportError, read_report
from im2mesh.evaluation.summary import summarize
from im2mesh.evaluation.tables import draw_table
from im2mesh.files.atomic import write_csv, write_text
from im2mesh.files.results import replacing_results
from im2mesh.runs.checkpoints import load_checkpoint
from im2mesh.runs.folder import CONFIG_FILE, RunFolder
from im2mesh.runs.origins import list_origins, origins_section
from im2mesh.studies.comparison.result import MethodResult
from im2mesh.studies.comparison.runs import Comparison, compare

SHOULD_AGREE = (*keys_affecting(Config, Affects.BUDGET), "data.root")
"""Settings that should be the same in all runs; a note tells where they differ."""
HEADER = (
    "Mean (standard deviation) over seeds of each run's mean over frames, then windows.\n"
    "Unit of length: longest side of the first true mesh; no distance is squared."
)
TIME_NOTE = "Times were measured while other runs used the other cores; they compare only roughly."
COLUMNS = (
    "iou", "iou_0", "iou_last", "chamfer_l1", "correspondence_l2", "correspondence_l2_last",
    "steps", "minutes", "seconds", "nfe",
)  # fmt: skip
METRICS = metrics_of("evaluation", "generation", "seeds")

Runs = Mapping[str, Mapping[int, Path]]
"""Variant -> seed -> output folder, whether or not there is anything in it."""


@dataclass(frozen=True)
class VariantSummary:
    """The numbers of one variant on one split.

    Attributes:
        variant: Name of the variant.
        seeds: Seeds that were evaluated.
        values: Key of `COLUMNS` -> one number per seed that has it.
        origins: Hashes of the origins of the numbers, one per seed.
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
    """Write summary.md and summary.csv of the evaluated runs, with the origins of their numbers.

    Returns:
        Text of summary.md, without the origins.

    Raises:
        UserError: If files of somebody else would be replaced.
    """
    parts, lines, origins = [f"# {title}", HEADER], [], []
    for split in splits:
        split_parts, rows, origin = _summarize_split(runs, split)
        parts += split_parts
        origins.append(f"{split}:\n\n{origin}")
        lines += [[split, *line] for row in rows for line in _csv_lines(row)]
    parts.append(TIME_NOTE)
    text = "\n\n".join(filter(None, parts)) + "\n"
    heading = ["split", "variant", "metric", "mean", "std", "num_seeds", "origins"]
    with replacing_results(out, ["summary.md", "summary.csv"]) as place:
        write_text(place / "summary.md", text + origins_section(*origins))
        write_csv(place / "summary.csv", [heading, *lines])
    return text


def spread(values: Sequence[float]) -> float:
    """Estimated standard deviation over seeds (divisor n - 1); nan for a single seed."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")


def _summarize_split(runs: Runs, split: str) -> tuple[list[str], list[VariantSummary], str]:
    """The heading, table and notes of a split; its rows; and the origins of its numbers."""
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
    """Key of `COLUMNS` -> number of one run, for the keys that it has."""
    numbers = {key: row.mean for key, row in result.summary.items() if key in COLUMNS}
    last_frame = result.settings["data.num_frames"] - 1
    for key, frame in (("iou_0", 0), ("iou_last", last_frame)):
        rows = summarize([r for r in result.records if r.metric == "iou" and r.frame == frame])
        if rows:
            numbers[key] = rows[0].mean
    checkpoint = RunFolder(path).checkpoint
    if checkpoint.is_file():
        state = load_checkpoint(checkpoint).state
        numbers |= {"steps": float(state.iteration), "minutes": state.seconds / 60}
    return numbers


def _table(rows: Sequence[VariantSummary]) -> str:
    cells = [
        [row.variant, str(len(row.seeds)), *(_cell(key, row.values[key]) for key in COLUMNS)]
        for row in rows
    ]
    return draw_table(
        [["variant", "seeds", *(METRICS[key].column for key in COLUMNS)], *cells], markdown=True
    )


def _cell(key: str, values: Sequence[float]) -> str:
    if not values:
        return "-"
    digits = METRICS[key].digits
    mean = f"{np.mean(values):.{digits}f}"
    return f"{mean} ({spread(values):.{digits}f})" if len(values) > 1 else mean


def _csv_lines(row: VariantSummary) -> Iterator[list[str | float | int]]:
    origins = " ".join(row.origins)
    for key, values in row.values.items():
        if values:
            mean = float(np.mean(values))
            yield [row.variant, key, mean, spread(values), len(values), origins]


def _notes(comparison: Comparison) -> Iterator[str]:
    """Notes on what keeps numbers from being compared."""
    for gap in comparison.gaps:
        metrics = [key for key in gap.metrics if key in COLUMNS]
        if metrics:
            columns = ", ".join(METRICS[key].column for key in metrics)
            yield f"{gap.method}: only {gap.what}, in {columns}"
    for method in comparison.methods:
        row = method.summary.get("empty")
        if row is not None and row.mean > 0:
            yield f"{method.name}: {row.mean:.1%} of the meshes are empty"
    for key in SHOULD_AGREE:
        runs: dict[object, list[str]] = {}
        for method in comparison.methods:
            runs.setdefault(method.settings.get(key), []).append(method.name)
        if len(runs) > 1:
            listed = "; ".join(f"{value} in {', '.join(names)}" for value, names in runs.items())
            yield f"{key} differs: {listed}"
