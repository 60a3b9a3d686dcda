"""Ablations of local codes: every variant at equal data and equal time, for several seeds.

From the networks of the paper to local codes part by part, beside what needs no learned motion
(static, carried), other ways to carry points, and clouds without correspondence.
Example: python scripts/study_local.py --seconds 240 --seeds 0 1 2 --jobs 2
Runs lie in out/local/<variant>/seed<k>; run again, it goes on where it stopped. At the end, and
at once with --summarize, means and spread over the seeds go to out/local/summary.md and .csv.
"""

import argparse
import csv
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # where scripts.experiments is found

from im2mesh.atomic import write_text
from im2mesh.build import build_config
from im2mesh.checkpoints import load_checkpoint
from im2mesh.command_line import exit_status
from im2mesh.comparison.result import MethodResult
from im2mesh.comparison.runs import Comparison, compare
from im2mesh.errors import UserError
from im2mesh.metric_info import metric_info
from im2mesh.reporting import draw_table, summarize
from im2mesh.run_folder import CONFIG_FILE, RunFolder
from scripts.experiments import (
    DATASETS,
    SPLITS,
    Experiment,
    is_trained,
    make_data,
    run_side_by_side,
    train_and_evaluate,
)

OUT = Path("out/local")
PAPER = "configs/pointcloud/oflow_w_correspond-small.yaml"
VARIANTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "static": ("configs/pointcloud/static-small.yaml", ()),
    "carried": ("configs/pointcloud/carried-small.yaml", ()),
    "paper": (PAPER, ()),
    "local_decoder": (
        PAPER,
        (
            "model.encoder={name: pointnet_local, hidden_size: 64, num_blocks: 3}",
            "model.decoder={name: local_attention, hidden_size: 64, num_blocks: 3}",
        ),
    ),
    "anchored": (
        PAPER,
        (
            "model.encoder_temporal={name: pointnet_local, hidden_size: 32, num_blocks: 2}",
            "model.velocity_field={name: anchored}",
            "ode.step_size=0.5",
        ),
    ),
    "local": ("configs/pointcloud/local-small.yaml", ()),
    "displacement": ("configs/pointcloud/displacement-small.yaml", ()),
    "coupling": ("configs/pointcloud/coupling-small.yaml", ()),
    "paper_unordered": ("configs/pointcloud/oflow_unordered-small.yaml", ()),
    "local_unordered": ("configs/pointcloud/local_unordered-small.yaml", ()),
    "space_time_unordered": ("configs/pointcloud/local_space_time-small.yaml", ()),
}
"""Name -> config, and what is changed of it: parts as in local-small.yaml, one at a time."""

SAME_RUN = ("data", "model", "ode", "loss", "training")
"""Sections of the configuration that a run must go on with as it began."""
TOLD = ("training.max_seconds", "training.batch_size", "data.num_input_points", "data.root")
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


@dataclass(frozen=True)
class VariantSummary:
    """One variant on one split.

    Attributes:
        variant: A key of `VARIANTS`.
        seeds: Those that were evaluated.
        values: Key of `COLUMNS` -> one number per seed that has it.
    """

    variant: str
    seeds: Sequence[int]
    values: dict[str, list[float]]


def main(arguments: Sequence[str]) -> None:
    args = _parse(arguments)
    try:
        if not args.summarize:
            run_study(args)
    finally:  # also when a run has failed, or was stopped
        summary = write_summary(args.variants, args.seeds)
        print(f"{summary}\nwritten to {OUT}")


def run_study(args: argparse.Namespace) -> None:
    """Train and evaluate all variants with the first seed, then with the next."""
    experiments = [
        make_experiment(variant, seed, args.seconds, args.input_points, args.data)
        for seed in args.seeds
        for variant in args.variants
    ]
    refuse_other_settings(experiments)
    waiting = [experiment for experiment in experiments if not is_finished(experiment)]
    print(f"{len(experiments) - len(waiting)} of {len(experiments)} runs are finished", flush=True)
    if waiting and args.data in DATASETS:
        make_data(args.data, OUT)
    run_side_by_side(run_and_tell, waiting, args.jobs)


def make_experiment(
    variant: str, seed: int, seconds: float, input_points: int, data: str
) -> Experiment:
    """One run of a variant."""
    config, overrides = VARIANTS[variant]
    common = (
        f"data.root={data}",
        f"data.num_input_points={input_points}",
        f"training.seed={seed}",
        f"training.max_seconds={seconds}",
        "training.num_workers=0",
        f"output_dir={folder(variant, seed).as_posix()}",
    )
    return Experiment(f"{variant}/seed{seed}", config, (*overrides, *common))


def refuse_other_settings(experiments: Sequence[Experiment]) -> None:
    """Refuse to go on with runs that began otherwise: they would be a mixture.

    Raises:
        UserError: Naming them, and the sections of the configuration.
    """
    differing = []
    for experiment in experiments:
        config = experiment.build_config()
        run = RunFolder.of(config)
        if not run.config.is_file():
            continue
        before = build_config(run.config)
        changed = [name for name in SAME_RUN if getattr(before, name) != getattr(config, name)]
        if changed:
            differing.append(f"{run.path} ({', '.join(changed)})")
    if differing:
        raise UserError(
            f"begun with other settings: {'; '.join(differing)}; "
            "give the settings they were begun with, or move these folders away"
        )


def is_finished(experiment: Experiment) -> bool:
    """Whether a run was trained to the end and evaluated with exactly these settings."""
    config = experiment.build_config()
    run = RunFolder.of(config)
    if not (is_trained(config) and all(is_evaluated(run, split) for split in experiment.splits)):
        return False
    used = [build_config(run.evaluation(split) / CONFIG_FILE) for split in experiment.splits]
    return all(other == config for other in used)


def is_evaluated(run: RunFolder, split: str) -> bool:
    config = run.evaluation(split) / CONFIG_FILE
    return run.evaluation_records(split).is_file() and config.is_file()


def run_and_tell(experiment: Experiment, threads: int) -> None:
    started = time.monotonic()
    try:
        train_and_evaluate(experiment, threads, OUT)
    except UserError as error:
        print(f"{experiment.name}: {error}", flush=True)
        raise
    print(f"{experiment.name}: done after {time.monotonic() - started:.0f} s", flush=True)


def folder(variant: str, seed: int) -> Path:
    return OUT / variant / f"seed{seed}"


def write_summary(variants: Sequence[str], seeds: Sequence[int]) -> str:
    """Write summary.md and summary.csv of the runs there are; returns the text."""
    parts, lines = ["# Local codes", HEADER], []
    for split in SPLITS:
        paths = {
            (variant, seed): folder(variant, seed)
            for variant in variants
            for seed in seeds
            if is_evaluated(RunFolder(folder(variant, seed)), split)
        }
        runs = {f"{variant}/seed{seed}": path for (variant, seed), path in paths.items()}
        comparison = compare(runs, split) if runs else None
        methods = comparison.methods if comparison else []
        results = dict(zip(paths, methods, strict=True))
        rows = [_summarize(variant, results) for variant in variants]
        windows = comparison.num_windows if comparison else 0
        parts += [f"## {split} (windows: {windows})", _table(rows)]
        missing = [
            f"missing: {row.variant}, seed {', '.join(map(str, absent))}"
            for row in rows
            if (absent := [seed for seed in seeds if seed not in row.seeds])
        ]
        notes = [*missing, *(_notes(comparison) if comparison else [])]
        parts.append("\n".join(f"- {note}" for note in notes))
        lines += [[split, *line] for row in rows for line in _csv_lines(row)]
    parts.append(TIME_NOTE)
    text = "\n\n".join(filter(None, parts)) + "\n"
    OUT.mkdir(parents=True, exist_ok=True)
    write_text(OUT / "summary.md", text)
    with (OUT / "summary.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [["split", "variant", "metric", "mean", "std", "num_seeds"], *lines]
        )
    return text


def _summarize(variant: str, results: dict[tuple[str, int], MethodResult]) -> VariantSummary:
    found = {seed: result for (name, seed), result in results.items() if name == variant}
    values: dict[str, list[float]] = {key: [] for key in COLUMNS}
    for seed, result in found.items():
        for key, value in _numbers(result, folder(variant, seed)).items():
            values[key].append(value)
    return VariantSummary(variant, list(found), values)


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


def spread(values: Sequence[float]) -> float:
    """Standard deviation of the population that the seeds are drawn from; nan for a single one."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")


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
    for key, values in row.values.items():
        if values:
            yield [row.variant, key, float(np.mean(values)), spread(values), len(values)]


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


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=240.0, help="of training for each run")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--jobs", type=int, default=1, help="runs side by side")
    parser.add_argument(
        "--variants",
        nargs="+",
        choices=VARIANTS,
        default=list(VARIANTS),
        metavar="NAME",
        help=f"out of {', '.join(VARIANTS)}",
    )
    parser.add_argument("--input-points", type=int, default=300, help="a frame; the paper has 300")
    parser.add_argument("--data", default="data/bodies", metavar="FOLDER", help="data.root")
    parser.add_argument(
        "--summarize", action="store_true", help="train nothing, only summarize what there is"
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(exit_status(main))
