"""Experiments: train, generate and evaluate many configs, some of them side by side.

Run from the root of the repository: the scripts are started as a user starts them.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from im2mesh.build import build_config, build_model, has_weights
from im2mesh.config.schema import Config
from im2mesh.errors import UserError
from im2mesh.machine.cores import available_cores
from im2mesh.runs.checkpoints import load_checkpoint
from im2mesh.runs.folder import RunFolder
from im2mesh.training.optimizer import budget_used
from scripts.experiments.running import run_script

POINTS = (
    "--near-surface-points", "4000", "--surface-points", "4000", "--occupancy-points", "20000",
)  # fmt: skip
DATASETS = {
    "data/bodies": (*POINTS, "--bodies", "10", "--frames", "50", "--meshes", "held-out"),
    "data/bodies-1-matching": ("--benchmark", "matching"),
    "data/clip": (
        *POINTS, "--bodies", "2", "--motions", "one_leg_jump", "hips", "punching",
        "--frames", "50", "--meshes", "none",
    ),
}  # fmt: skip
"""Data folder -> arguments of make_bodies.py."""
SPLITS = ("test", "test_new_individual")


@dataclass(frozen=True)
class Experiment:
    """A config file, the changes to it, and the splits to evaluate.

    Attributes:
        name: Such as "pointcloud/oflow"; names its log and its picture, too.
        config: Path of the config file.
        overrides: Changed settings, key=value as on the command line.
        splits: Splits for which meshes are generated and evaluated.
    """

    name: str
    config: str
    overrides: tuple[str, ...] = ()
    splits: tuple[str, ...] = SPLITS

    def build_config(self) -> Config:
        return build_config(self.config, self.overrides)

    def log(self, out: Path) -> Path:
        return out / "logs" / f"{self.name}.log"


def make_data(root: str, out: Path) -> None:
    """Make the synthetic bodies in the folder `root`, one of `DATASETS`; finished ones are kept."""
    workers = ["--workers", str(available_cores())]
    run_script(["scripts/make_bodies.py", root, *DATASETS[root], *workers], out / "logs/data.log")


def run_side_by_side(
    run: Callable[[Experiment, int], None], experiments: Sequence[Experiment], jobs: int
) -> None:
    """Call run(experiment, threads) for each experiment, in order, `jobs` at a time.

    Each has an equal share of the cores. If one fails, the others go on; the first failure is
    raised at the end.
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


def train_and_evaluate(experiment: Experiment, threads: int, out: Path) -> None:
    """Train, generate and evaluate one experiment, or go on where an earlier call stopped.

    Raises:
        UserError: If a script fails, or training was stopped before its budget was used.
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
    return budget_used(checkpoint.state.iteration, checkpoint.state.seconds, config.training) >= 1
