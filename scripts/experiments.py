"""Train every small experiment for the same time on the same synthetic bodies, and compare them.

Example: python scripts/experiments.py --seconds 240 --jobs 2
Writes out/experiments: one table per task, with plots, and a contact sheet per experiment; the runs
lie where their configs say. Run again, it goes on where it stopped.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from im2mesh.build import build_config, build_model, has_weights
from im2mesh.command_line import exit_status
from im2mesh.errors import UserError
from im2mesh.run_folder import RunFolder
from im2mesh.training.threads import available_cores

OUT = Path("out/experiments")
BODIES = ["--near-surface-points", "4000", "--surface-points", "4000"]
BODIES += ["--occupancy-points", "20000"]
DATASETS = {
    "data/bodies": [
        "--bodies", "10", "--frames", "28", "--meshes", "held-out", "--views", "4",
        "--image-size", "64", "--workers", "2",
    ],
    "data/clip": [
        "--bodies", "2", "--motions", "one_leg_jump", "hips", "punching", "--frames", "50",
        "--meshes", "none",
    ],
}  # fmt: skip
TASKS = {
    "pointcloud": [
        "static", "carried", "oflow", "oflow_w_correspond", "onet4d", "onet_per_frame", "psgn4d",
        "psgn4d_w_correspond", "displacement", "coupling", "local", "oflow_unordered",
        "oflow_irregular", "local_unordered", "local_space_time",
    ],
    "img": ["static", "oflow", "oflow_w_correspond", "onet4d", "psgn4d", "psgn4d_w_correspond"],
    "interpolation": ["static", "carried", "oflow"],
    "shape_matching": ["static", "nearest_neighbour", "oflow"],
    "generative": ["oflow"],
    "representation_power": ["oflow"],
}  # fmt: skip
SPLITS = ("test", "test_new_individual")


@dataclass(frozen=True)
class Experiment:
    """One small config."""

    task: str
    name: str

    @property
    def config(self) -> str:
        return f"configs/{self.task}/{self.name}-small.yaml"

    @property
    def splits(self) -> tuple[str, ...]:
        return ("overfit",) if self.task == "representation_power" else SPLITS

    def __str__(self) -> str:
        return f"{self.task}/{self.name}"


def main(arguments: Sequence[str]) -> None:
    args = _parse(arguments)
    for root, options in DATASETS.items():
        _run(["scripts/make_bodies.py", root, *BODIES, *options], OUT / "logs" / "data.log")
    chosen = [Experiment(task, name) for task in args.tasks for name in TASKS[task]]
    run_side_by_side(chosen, args.seconds, args.jobs)
    for task in args.tasks:
        experiments = [experiment for experiment in chosen if experiment.task == task]
        _compare(task, experiments)


def run_side_by_side(experiments: Sequence[Experiment], seconds: float, jobs: int) -> None:
    """Run experiments with an equal share of the cores, so that equal times are equal work."""
    threads = available_cores() // jobs
    if threads == 0:
        raise UserError(f"--jobs is {jobs}, but there are {available_cores()} cores")
    with ThreadPoolExecutor(jobs) as pool:
        futures = [pool.submit(run_experiment, e, seconds, threads) for e in experiments]
        for future in futures:
            future.result()


def run_experiment(experiment: Experiment, seconds: float, threads: int) -> None:
    """Train, generate, evaluate and draw one experiment."""
    started = time.monotonic()
    log = OUT / "logs" / experiment.task / f"{experiment.name}.log"
    if has_weights(build_model(build_config(experiment.config))):
        budget = [f"training.max_seconds={seconds}", "training.num_workers=0"]
        _run(["train.py", experiment.config, *budget], log, threads)
    for split in experiment.splits:
        _run(["generate.py", experiment.config, "--split", split], log, threads)
        _run(["eval.py", experiment.config, "--split", split], log, threads)
    sheet = ["--split", experiment.splits[0], "--height", "180"]
    picture = OUT / experiment.task / f"{experiment.name}.png"
    _run(
        ["scripts/contact_sheet.py", experiment.config, *sheet, "--output", str(picture)],
        log,
        threads,
    )
    print(f"{experiment}: done after {time.monotonic() - started:.0f} s", flush=True)


def _compare(task: str, experiments: Sequence[Experiment]) -> None:
    runs = [str(RunFolder.of(build_config(e.config)).path) for e in experiments]
    names = ["--names", *(e.name for e in experiments)]
    if task == "representation_power":
        curve = ["--names", "IoU at threshold 0.5", "--output", str(OUT / task / "curve.png")]
        _run(["scripts/plot_training.py", *runs, *curve], OUT / "logs" / task / "curve.log")
    _run(
        ["scripts/compare.py", *runs, *names, "--output", str(OUT / task)],
        OUT / "logs" / task / "compare.log",
    )
    print((OUT / task / "comparison.md").read_text())


def _run(arguments: list[str], log: Path, threads: int | None = None) -> None:
    """Run one script of this repository, its output in a file."""
    log.parent.mkdir(parents=True, exist_ok=True)
    variables = ("OMP_NUM_THREADS", "IGL_NUM_THREADS", "LP_NUM_THREADS")  # PyTorch, libigl, OpenGL
    limits = dict.fromkeys(variables, str(threads)) if threads else {}
    with log.open("a") as file:
        file.write(f"\n$ python {' '.join(arguments)}\n")
        file.flush()
        status = subprocess.run(
            [sys.executable, *arguments],
            stdout=file,
            stderr=subprocess.STDOUT,
            env={**os.environ, **limits},
            check=False,
        ).returncode
    if status:
        raise UserError(f"{' '.join(arguments)} ended with status {status}; see {log}")


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=300.0, help="of training for each")
    parser.add_argument("--jobs", type=int, default=1, help="experiments side by side")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS), metavar="TASK")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(exit_status(main))
