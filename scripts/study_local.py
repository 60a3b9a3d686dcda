"""Ablations of local codes: every variant at equal data and equal time, for several seeds.

From the networks of the paper to local codes part by part, beside what needs no learned motion
(static, carried), other ways to carry points, and clouds without correspondence.
Example: python scripts/study_local.py --seconds 240 --seeds 0 1 2 --jobs 2
Runs lie in out/local/<variant>/seed<k>; run again, it goes on where it stopped. At the end, and
at once with --summarize, means and spread over the seeds go to out/local/summary.md and .csv.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # where scripts.experiments is found

from im2mesh.build import build_config
from im2mesh.command_line import exit_status
from im2mesh.comparison.seeds import is_evaluated, write_summary
from im2mesh.errors import UserError
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
LOCAL_SHAPE = (
    "model.encoder={name: pointnet_local, hidden_size: 64, num_blocks: 3}",
    "model.decoder={name: local_attention, hidden_size: 64, num_blocks: 3}",
)
LOCAL_MOTION = (
    "model.encoder_temporal={name: pointnet_local, hidden_size: 32, num_blocks: 2}",
    "model.velocity_field=null",
    "model.deformation={name: anchored}",
)
VARIANTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "static": ("configs/pointcloud/static-small.yaml", ()),
    "carried": ("configs/pointcloud/carried-small.yaml", ()),
    "carried_local": (
        "configs/pointcloud/carried-small.yaml",
        (*LOCAL_SHAPE, "model.code_size=64", "training.batch_size=6", "loss.motion_share=0.25"),
    ),
    "paper": (PAPER, ()),
    "local_decoder": (PAPER, LOCAL_SHAPE),
    "anchored": (PAPER, LOCAL_MOTION),
    "local": ("configs/pointcloud/local-small.yaml", ()),
    "displacement": ("configs/pointcloud/displacement-small.yaml", ()),
    "coupling": ("configs/pointcloud/coupling-small.yaml", ()),
    "paper_unordered": ("configs/pointcloud/oflow_unordered-small.yaml", ()),
    "local_unordered": ("configs/pointcloud/local_unordered-small.yaml", ()),
    "space_time_unordered": ("configs/pointcloud/local_space_time-small.yaml", ()),
}
"""Name -> config, and what is changed of it.

local_decoder and anchored are `paper` but for the parts of local-small.yaml that show the shape, or
the motion; the width of codes, the batches, and that every step trains the motion, stay those of
`paper`. carried_local is `local` but for its motion, which it takes from the input: what learning a
motion has to beat.
"""

SAME_RUN = ("data", "model", "ode", "loss", "training")
"""Sections of the configuration that a run must go on with as it began."""


def main(arguments: Sequence[str]) -> None:
    args = _parse(arguments)
    try:
        if not args.summarize:
            run_study(args)
    finally:  # also when a run has failed, or was stopped
        summary = summarize(args.variants, args.seeds)
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


def summarize(variants: Sequence[str], seeds: Sequence[int]) -> str:
    """Write what is known of the variants; returns the text."""
    runs = {variant: {seed: folder(variant, seed) for seed in seeds} for variant in variants}
    return write_summary(OUT, "Local codes", runs, SPLITS)


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
