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
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from im2mesh.build import build_config, build_model, has_weights
from im2mesh.checkpoints import load_checkpoint
from im2mesh.command_line import exit_status
from im2mesh.config import Config
from im2mesh.errors import UserError
from im2mesh.run_folder import RunFolder
from im2mesh.training.schedule import budget_used
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
    "generative": ["static", "oflow"],
    "representation_power": ["static", "oflow"],
}  # fmt: skip
SPLITS = ("test", "test_new_individual")


@dataclass(frozen=True)
class Experiment:
    """One config, with what is changed of it.

    Attributes:
        name: Such as "pointcloud/oflow"; also where its log and picture lie.
        config: File.
        overrides: As on the command line.
        splits: Evaluated.
    """

    name: str
    config: str
    overrides: tuple[str, ...] = ()
    splits: tuple[str, ...] = SPLITS

    def build_config(self) -> Config:
        return build_config(self.config, self.overrides)

    def log(self, out: Path) -> Path:
        return out / "logs" / f"{self.name}.log"


def main(arguments: Sequence[str]) -> None:
    args = _parse(arguments)
    for root in DATASETS:
        make_data(root, OUT)
    chosen = {
        task: [small_experiment(task, name, args.seconds) for name in TASKS[task]]
        for task in args.tasks
    }
    run_side_by_side(run_experiment, [e for task in args.tasks for e in chosen[task]], args.jobs)
    for task, experiments in chosen.items():
        _compare(task, experiments)


def small_experiment(task: str, name: str, seconds: float) -> Experiment:
    """The small variant of a config."""
    return Experiment(
        f"{task}/{name}",
        f"configs/{task}/{name}-small.yaml",
        (f"training.max_seconds={seconds}", "training.num_workers=0"),
        ("overfit",) if task == "representation_power" else SPLITS,
    )


def make_data(root: str, out: Path) -> None:
    """Make the synthetic bodies below one of `DATASETS`, as far as they are not there."""
    run_script(["scripts/make_bodies.py", root, *BODIES, *DATASETS[root]], out / "logs/data.log")


def run_side_by_side(
    run: Callable[[Experiment, int], None], experiments: Sequence[Experiment], jobs: int
) -> None:
    """Call run(experiment, threads) for all, in order, `jobs` at a time.

    Each has an equal share of the cores, so that equal times are equal work. If one fails, the
    others go on; the first failure is raised at the end.
    """
    threads = available_cores() // jobs
    if threads == 0:
        raise UserError(f"--jobs is {jobs}, but there are {available_cores()} cores")
    with ThreadPoolExecutor(jobs) as pool:
        futures = [pool.submit(run, experiment, threads) for experiment in experiments]
        try:
            for future in futures:
                future.result()
        except KeyboardInterrupt:
            pool.shutdown(cancel_futures=True)
            raise


def run_experiment(experiment: Experiment, threads: int) -> None:
    """Train, generate, evaluate and draw one experiment."""
    started = time.monotonic()
    train_and_evaluate(experiment, threads, OUT)
    sheet = ["--split", experiment.splits[0], "--height", "180"]
    picture = OUT / f"{experiment.name}.png"
    run_script(
        ["scripts/contact_sheet.py", experiment.config, *sheet, "--output", str(picture)],
        experiment.log(OUT),
        threads,
    )
    print(f"{experiment.name}: done after {time.monotonic() - started:.0f} s", flush=True)


def train_and_evaluate(experiment: Experiment, threads: int, out: Path) -> None:
    """Train, generate and evaluate one experiment, going on where that stopped.

    Raises:
        UserError: If a script fails, or training was stopped before its time.
    """
    config, log = experiment.build_config(), experiment.log(out)
    settings = [experiment.config, *experiment.overrides]
    if has_weights(build_model(config)):
        run_script(["train.py", *settings], log, threads)
        if not is_trained(config):
            raise UserError(f"the training of {experiment.name} was stopped; run again to go on")
    for split in experiment.splits:
        run_script(["generate.py", *settings, "--split", split], log, threads)
        run_script(["eval.py", *settings, "--split", split], log, threads)


def is_trained(config: Config) -> bool:
    """Whether the checkpoint of a run has used up its training budget."""
    path = RunFolder.of(config).checkpoint
    if not path.is_file():
        return False
    checkpoint = load_checkpoint(path)
    return budget_used(checkpoint.iteration, checkpoint.seconds, config.training) >= 1


def _compare(task: str, experiments: Sequence[Experiment]) -> None:
    runs = [str(RunFolder.of(e.build_config()).path) for e in experiments]
    names = ["--names", *(Path(e.name).name for e in experiments)]
    if task == "representation_power":
        curve = ["--names", "IoU at threshold 0.5", "--output", str(OUT / task / "curve.png")]
        run_script(["scripts/plot_training.py", *runs, *curve], OUT / "logs" / task / "curve.log")
    run_script(
        ["scripts/compare.py", *runs, *names, "--output", str(OUT / task)],
        OUT / "logs" / task / "compare.log",
    )
    print((OUT / task / "comparison.md").read_text())


def run_script(arguments: list[str], log: Path, threads: int | None = None) -> None:
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
