"""Every method of the project at equal steps on the benchmark bodies-1, for several seeds.

The methods are the paper's, baselines, its successors' flows, local codes, and the steps that
lead from the paper's networks to local codes, one part at a time.
Example: python -m scripts.experiments.methods --iterations 2000 --seeds 0 1 2 --jobs 2
Runs lie in out/methods/<method>/seed<k>; started again, the script goes on where it stopped. At the
end, or at once with --summarize, it writes mean and spread over the seeds to out/methods/summary.md
and .csv.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from operator import attrgetter
from pathlib import Path

from im2mesh.build import build_config
from im2mesh.command_line import docstring_parser, exit_status
from im2mesh.config.effects import Affects, keys_affecting
from im2mesh.config.files import read_settings
from im2mesh.config.schema import Config
from im2mesh.errors import UserError
from im2mesh.runs.folder import CONFIG_FILE, RunFolder
from im2mesh.studies.comparison.seeds import is_evaluated, write_summary
from scripts.experiments.benchmark import PROTOCOLS, make_data
from scripts.experiments.engine import (
    Experiment,
    is_trained,
    run_side_by_side,
    train_and_evaluate,
)
from scripts.experiments.running import pass_on_signals

OUT = Path("out/methods")
SPLITS = ("test", "test_new_individual")
NUM_SAMPLES = 20000  # of a mesh; with the 100,000 of the protocol, evaluation is most of the work
LOCAL_SHAPE = (
    "model.encoder={name: pointnet_tracked, hidden_size: 64, num_blocks: 3}",
    "model.decoder={name: local_attention, hidden_size: 64, num_blocks: 3}",
)
LOCAL_MOTION = (
    "model.encoder_temporal={name: pointnet_local, hidden_size: 32, num_blocks: 2}",
    "model.velocity_field=null",
    "model.deformation={name: anchored}",
)
AS_CONFIGURED = (
    "static", "carried", "onet_per_frame", "onet4d", "psgn4d", "psgn4d_w_correspond", "oflow",
    "oflow_w_correspond", "local", "local_flow", "oflow_unordered", "local_unordered",
)  # fmt: skip
METHODS: dict[str, tuple[str, tuple[str, ...]]] = {
    **{name: (name, ()) for name in AS_CONFIGURED},
    **{name: (name, ("training.batch_size=24",)) for name in ("displacement", "coupling")},
    "carried_local": (
        "carried",
        (*LOCAL_SHAPE, "model.code_size=64", "training.batch_size=6", "loss.motion_share=0.25"),
    ),
    "local_shape": ("oflow_w_correspond", LOCAL_SHAPE),
    "anchored_motion": ("oflow_w_correspond", LOCAL_MOTION),
}
"""Name -> the small variant of which config of configs/pointcloud, and overrides.

local_shape and anchored_motion are `oflow_w_correspond` with the networks of `local` for the shape
or the motion. They keep the width of codes and the batch size, and train the motion in every
step. carried_local is `local`, but takes the motion from the input: a learned one has to beat it.
"""

RUN_DEFINING = (
    Affects.MODEL, Affects.OBSERVATION, Affects.LEARNING, Affects.BUDGET, Affects.WINDOWS,
    Affects.SELECTION,
)  # fmt: skip
KEPT_KEYS = (
    "data.root",  # it affects no number while the data are the same; in a study, a name is enough
    *dict.fromkeys(key for effect in RUN_DEFINING for key in keys_affecting(Config, effect)),
)
"""Keys of the configuration that must not change when a run goes on."""


@pass_on_signals()
def main(arguments: Sequence[str]) -> None:
    args = _parse(arguments)
    try:
        if not args.summarize:
            run_study(args)
    finally:  # also when a run has failed, or was stopped
        summary = summarize(args.methods, args.seeds)
        print(f"{summary}\nwritten to {OUT}")


def run_study(args: argparse.Namespace) -> None:
    """Train and evaluate all methods with the first seed, then with the next."""
    experiments = [
        make_experiment(method, seed, args.iterations)
        for seed in args.seeds
        for method in args.methods
    ]
    refuse_other_settings(experiments)
    waiting = [experiment for experiment in experiments if not is_finished(experiment)]
    print(f"{len(experiments) - len(waiting)} of {len(experiments)} runs are finished", flush=True)
    if waiting:
        make_data(waiting[0].build_config())
    run_side_by_side(run_and_tell, waiting, args.jobs)


def make_experiment(method: str, seed: int, iterations: int) -> Experiment:
    """One run of a method: its networks at a small size, in the protocol of the benchmark."""
    name, overrides = METHODS[method]
    protocol = read_settings(PROTOCOLS["pointcloud"])
    common = (
        *(f"{key}={value}" for key, (value, _) in protocol.items()),
        f"evaluation.num_samples={NUM_SAMPLES}",
        f"training.seed={seed}",
        f"training.max_iterations={iterations}",
        "training.num_workers=0",
        f"output_dir={folder(method, seed).as_posix()}",
    )
    config = f"configs/pointcloud/{name}-small.yaml"
    return Experiment(f"{method}/seed{seed}", config, (*overrides, *common), SPLITS)


def refuse_other_settings(experiments: Sequence[Experiment]) -> None:
    """Refuse to go on with runs that began with other settings: they would be mixtures.

    Raises:
        UserError: If there are such runs; it names them and the changed sections.
    """
    differing = []
    for experiment in experiments:
        config = experiment.build_config()
        run = RunFolder.of(config)
        if not run.config.is_file():
            continue
        changed = changed_sections(build_config(run.config), config)
        if changed:
            differing.append(f"{run.path} ({', '.join(changed)})")
    if differing:
        raise UserError(
            f"begun with other settings: {'; '.join(differing)}; "
            "give the settings they were begun with, or move these folders away"
        )


def changed_sections(before: Config, now: Config) -> list[str]:
    """Sections of the configuration in which a key of `KEPT_KEYS` has another value."""
    changed = {
        key.partition(".")[0]
        for key in KEPT_KEYS
        if attrgetter(key)(before) != attrgetter(key)(now)
    }
    return [name for name in Config.model_fields if name in changed]


def is_finished(experiment: Experiment) -> bool:
    """Whether a run was trained to the end and evaluated with exactly these settings."""
    config = experiment.build_config()
    run = RunFolder.of(config)
    if not (is_trained(config) and all(is_evaluated(run, split) for split in experiment.splits)):
        return False
    used = [build_config(run.evaluation(split) / CONFIG_FILE) for split in experiment.splits]
    return all(other == config for other in used)


def run_and_tell(experiment: Experiment, threads: int) -> None:
    started = time.monotonic()
    try:
        train_and_evaluate(experiment, threads, OUT)
    except UserError as error:
        print(f"{experiment.name}: {error}", flush=True)
        raise
    print(f"{experiment.name}: done after {time.monotonic() - started:.0f} s", flush=True)


def folder(method: str, seed: int) -> Path:
    return OUT / method / f"seed{seed}"


def summarize(methods: Sequence[str], seeds: Sequence[int]) -> str:
    """Write a summary of what was evaluated so far, and return its text."""
    runs = {method: {seed: folder(method, seed) for seed in seeds} for method in methods}
    return write_summary(OUT, "Methods at equal steps", runs, SPLITS)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = docstring_parser(__doc__, "python -m scripts.experiments.methods")
    parser.add_argument("--iterations", type=int, default=2000, help="steps of each training")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--jobs", type=int, default=1, help="runs side by side")
    parser.add_argument(
        "--methods",
        nargs="+",
        choices=METHODS,
        default=list(METHODS),
        metavar="NAME",
        help=f"out of {', '.join(METHODS)}",
    )
    parser.add_argument(
        "--summarize", action="store_true", help="train nothing, only summarize what there is"
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(exit_status(main))
