"""Train, generate and evaluate configurations on the benchmark bodies-1; a row of a table for each.

Example: bash scripts/benchmark.sh configs/benchmark/local.yaml
Makes the data in data/bodies-1 (data/bodies-1-images for models that observe images) if they are
missing, and checks their fingerprint. The budget is that of the configuration, in iterations.
Writes out/benchmark/<name>.json and table.md beside it; started again, it goes on where it stopped.
docs/benchmark.md explains the protocol.
"""

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from im2mesh.build import build_config, build_model, has_weights
from im2mesh.command_line import docstring_parser, exit_status
from im2mesh.config.files import read_settings
from im2mesh.config.schema import Config
from im2mesh.errors import UserError
from im2mesh.evaluation.metric_info import metric_info
from im2mesh.evaluation.report import read_report
from im2mesh.evaluation.summary import summarize
from im2mesh.evaluation.tables import draw_table
from im2mesh.files.atomic import write_json, write_text
from im2mesh.machine.cores import available_cores, processor_name
from im2mesh.runs.checkpoints import load_checkpoint
from im2mesh.runs.folder import RunFolder
from im2mesh.synthesis.benchmark import (
    FINGERPRINT,
    NAME,
    BenchmarkSettings,
    benchmark_with_images,
    tell_fingerprint,
)
from im2mesh.synthesis.dataset import make_dataset
from scripts.experiments.engine import Experiment, train_and_evaluate
from scripts.experiments.running import pass_on_signals

OUT = Path("out/benchmark")
PROTOCOLS = {
    "pointcloud": Path("configs/parts/benchmark.yaml"),
    "images": Path("configs/parts/benchmark_images.yaml"),
}
"""What is observed -> the part that a configuration inherits from."""
SPLITS = ("test", "test_new_individual", "test_ten_bodies")
TITLES = {
    "test": "unseen motions",
    "test_new_individual": "unseen bodies",
    "test_ten_bodies": "the ten bodies",
}
METRICS = ("iou", "chamfer_l1", "correspondence_l2", "correspondence_l2_last")


@pass_on_signals()
def main(arguments: Sequence[str]) -> None:
    args = _parse(arguments)
    experiments = [_experiment(path) for path in args.configs]
    for experiment in experiments:
        check_protocol(experiment)
    found = [make_data(experiment.build_config()) for experiment in experiments]
    for experiment, fingerprint in zip(experiments, found, strict=True):
        train_and_evaluate(experiment, available_cores(), OUT)
        write_json(OUT / f"{experiment.name}.json", describe(experiment, fingerprint))
        table = format_rows(read_rows(OUT))
        write_text(OUT / "table.md", table)
        print(table)


def check_protocol(experiment: Experiment) -> None:
    """Refuse a configuration that does not keep to the benchmark's protocol.

    Raises:
        UserError: Naming the first key that differs, and what to inherit.
    """
    config = experiment.build_config()
    settings, protocol = config.model_dump(), PROTOCOLS.get(config.data.input or "")
    if protocol is None:
        raise UserError(f"{experiment.config} observes nothing; the benchmark has no such protocol")
    for key, (wanted, _) in read_settings(protocol).items():
        section, name = key.split(".")
        if settings[section][name] != wanted:
            raise UserError(
                f"{experiment.config} has {key} {settings[section][name]}, the benchmark {wanted}; "
                f"let the configuration inherit from {protocol} last"
            )


def make_data(config: Config) -> str:
    """Make the data that are missing; returns their fingerprint, and warns of another than ours."""
    root = Path(config.data.root)
    make_dataset(root, settings_of(config), available_cores())
    return tell_fingerprint(root)


def settings_of(config: Config) -> BenchmarkSettings:
    return benchmark_with_images() if config.data.input == "images" else BenchmarkSettings()


def describe(experiment: Experiment, data_fingerprint: str) -> dict[str, Any]:
    """What is known of a run: its metrics by split, its budget, and the machine."""
    config = experiment.build_config()
    folder = RunFolder.of(config)
    return {
        "name": experiment.name,
        "start_from": config.training.start_from,
        "benchmark": settings_of(config).name,
        "fingerprint": data_fingerprint,
        **_budget(config, folder),
        "processor": processor_name(),
        "splits": {split: _numbers(folder, split) for split in SPLITS},
    }


def format_rows(rows: Sequence[dict[str, Any]]) -> str:
    """A Markdown table per benchmark and split: mean (standard deviation over windows), and the
    worst IoU."""
    names = sorted({row["benchmark"] for row in rows})
    return "\n".join(_format_benchmark(name, rows) for name in names)


def _format_benchmark(benchmark: str, rows: Sequence[dict[str, Any]]) -> str:
    rows, parts = [row for row in rows if row["benchmark"] == benchmark], [f"## {benchmark}"]
    for split, title in TITLES.items():
        names = [metric_info(metric).name for metric in METRICS]
        table = [["", *names, "worst IoU", "windows", "iterations", "hours"]]
        table += [_cells(row, row["splits"][split]) for row in rows]
        parts.append(f"**{title}** (`{split}`)\n\n{draw_table(table, markdown=True)}")
    return "\n\n".join(parts) + "\n"


def read_rows(folder: Path) -> list[dict[str, Any]]:
    """The rows of all configurations that were measured so far, by name."""
    return [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]


def _cells(row: dict[str, Any], numbers: dict[str, Any]) -> list[str]:
    values = [numbers["metrics"].get(metric) for metric in METRICS]
    told = ["-" if v is None else f"{v['mean']:.4f} ({v['std']:.4f})" for v in values]
    worst = numbers["worst_iou"]
    differs = row["benchmark"] == NAME and row["fingerprint"] != FINGERPRINT
    mark = " (other data)" if differs else ""
    if row.get("start_from"):  # the iterations are those since then
        mark = f", from the weights {row['start_from']}{mark}"
    return [
        row["name"] + mark,
        *told,
        "-" if worst is None else f"{worst:.2f}",
        str(numbers["windows"]),
        str(row["iterations"]),
        f"{row['seconds'] / 3600:.1f}",
    ]


def _budget(config: Config, folder: RunFolder) -> dict[str, float]:
    if not has_weights(build_model(config)):
        return {"iterations": 0, "seconds": 0.0}
    state = load_checkpoint(folder.checkpoint).state
    return {"iterations": state.iteration, "seconds": round(state.seconds)}


def _numbers(folder: RunFolder, split: str) -> dict[str, Any]:
    records, _ = read_report(folder.evaluation(split))
    rows = {row.metric: row for row in summarize(records)}
    ious: dict[str, list[float]] = defaultdict(list)
    for record in records:
        if record.metric == "iou":
            ious[record.window].append(record.value)
    return {
        "windows": len({record.window for record in records}),
        "worst_iou": min((round(fmean(values), 4) for values in ious.values()), default=None),
        "metrics": {
            metric: {"mean": round(rows[metric].mean, 5), "std": round(rows[metric].std, 5)}
            for metric in METRICS
            if metric in rows
        },
    }


def _experiment(path: str) -> Experiment:
    config = build_config(path)
    return Experiment(Path(config.output_dir).name, path, splits=SPLITS)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = docstring_parser(__doc__, "python -m scripts.experiments.benchmark")
    parser.add_argument(
        "configs", nargs="+", metavar="CONFIG", help="such as configs/benchmark/local.yaml"
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(exit_status(main))
