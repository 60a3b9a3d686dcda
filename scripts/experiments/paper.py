"""The paper's experiments that the benchmark has no part in, at equal steps on the same bodies.

They interpolate between two meshes, match a mesh with a cloud of the same body or of another one,
and store one clip in the weights.
Reconstruction from clouds is compared by scripts.experiments.methods and the benchmark, from images
and from nothing by the benchmark (docs/benchmark.md).
Example: python -m scripts.experiments.paper --iterations 2000 --jobs 2
Writes out/experiments: one table per task, with plots, and a contact sheet per experiment; the runs
lie in out/<task>/<method>-small. Started again, the script goes on where it stopped.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from im2mesh.command_line import docstring_parser, exit_status
from im2mesh.runs.folder import RunFolder
from scripts.experiments.engine import (
    SPLITS,
    Experiment,
    make_data,
    run_side_by_side,
    train_and_evaluate,
)
from scripts.experiments.running import pass_on_signals, run_script

OUT = Path("out/experiments")


@dataclass(frozen=True)
class Task:
    """An experiment of the paper, and the methods that are compared in it.

    Attributes:
        configs: Folder of their configurations, below configs/.
        methods: Names of the configurations there, without "-small.yaml".
        data: Data folder.
        splits: Splits that are measured.
    """

    configs: str
    methods: tuple[str, ...]
    data: str = "data/bodies"
    splits: tuple[str, ...] = SPLITS


_MATCHING = ("shape_matching", ("static", "nearest_neighbour", "oflow"))
TASKS = {
    "interpolation": Task("interpolation", ("static", "carried", "oflow")),
    "shape_matching": Task(*_MATCHING),
    "matching_of_people": Task(*_MATCHING, data="data/bodies-1-matching"),
    "representation_power": Task(
        "representation_power", ("static", "oflow"), data="data/clip", splits=("overfit",)
    ),
}


@pass_on_signals()
def main(arguments: Sequence[str]) -> None:
    args = _parse(arguments)
    for root in {TASKS[task].data: None for task in args.tasks}:
        make_data(root, OUT)
    chosen = {
        task: [small_experiment(task, name, args.iterations) for name in TASKS[task].methods]
        for task in args.tasks
    }
    run_side_by_side(run_experiment, [e for task in args.tasks for e in chosen[task]], args.jobs)
    for task, experiments in chosen.items():
        _compare(task, experiments)


def small_experiment(task: str, name: str, iterations: int) -> Experiment:
    """The small variant of a config, with the data of the task."""
    plan = TASKS[task]
    return Experiment(
        f"{task}/{name}",
        f"configs/{plan.configs}/{name}-small.yaml",
        (
            f"data.root={plan.data}",
            f"output_dir=out/{task}/{name}-small",
            f"training.max_iterations={iterations}",
            "training.num_workers=0",
        ),
        plan.splits,
    )


def run_experiment(experiment: Experiment, threads: int) -> None:
    """Train, generate, evaluate and draw one experiment."""
    started = time.monotonic()
    train_and_evaluate(experiment, threads, OUT)
    sheet = ["--split", experiment.splits[0], "--height", "180"]
    settings = [experiment.config, *experiment.overrides]
    picture = OUT / f"{experiment.name}.png"
    run_script(
        ["scripts/draw.py", "sheet", *settings, *sheet, "--output", str(picture)],
        experiment.log(OUT),
        threads,
    )
    print(f"{experiment.name}: done after {time.monotonic() - started:.0f} s", flush=True)


def _compare(task: str, experiments: Sequence[Experiment]) -> None:
    runs = [str(RunFolder.of(e.build_config()).path) for e in experiments]
    names = ["--names", *(Path(e.name).name for e in experiments)]
    if task == "representation_power":
        curve = ["--output", str(OUT / task / "curve.png")]
        run_script(
            ["scripts/draw.py", "training", *runs, *names, *curve],
            OUT / "logs" / task / "curve.log",
        )
    run_script(
        ["scripts/compare.py", *runs, *names, "--output", str(OUT / task)],
        OUT / "logs" / task / "compare.log",
    )
    print((OUT / task / "comparison.md").read_text())


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = docstring_parser(__doc__, "python -m scripts.experiments.paper")
    parser.add_argument("--iterations", type=int, default=2000, help="steps of each training")
    parser.add_argument("--jobs", type=int, default=1, help="experiments side by side")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS), metavar="TASK")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(exit_status(main))
