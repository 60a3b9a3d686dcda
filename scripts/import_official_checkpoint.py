"""Convert a checkpoint that the authors published into a checkpoint of this project.

Example: python scripts/import_official_checkpoint.py oflow_pointcloud.pt \\
             --config configs/pointcloud/oflow.yaml out/pointcloud/oflow/model.pt
"""

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path

from torch import nn

from im2mesh.build import build_config, build_model
from im2mesh.command_line import exit_status
from im2mesh.compat.matching import convert_official_state
from im2mesh.compat.reading import read_official
from im2mesh.config.schema import Config
from im2mesh.errors import UserError
from im2mesh.runs.checkpoints import Checkpoint, CheckpointError, TrainingState, save_checkpoint
from im2mesh.runs.folder import RunFolder
from im2mesh.runs.origins import continued
from im2mesh.runs.provenance import provenance
from im2mesh.runs.weights import load_weights
from im2mesh.training.optimizer import make_optimizer


def main(arguments: Sequence[str]) -> None:
    args = _parse(arguments)
    _check_free(args.out, args.overwrite)
    config = build_config(args.config, args.overrides)
    official = read_official(args.source)
    model = build_model(config)
    try:
        state = convert_official_state(official.state, model.state_dict(), config.model.method)
    except CheckpointError as error:
        raise CheckpointError(f"{args.source} does not fit {args.config}: {error}") from error
    load_weights(model, state, args.source)
    save_checkpoint(args.out, _checkpoint(config, model, official.iteration))
    num_parameters = sum(parameter.numel() for parameter in model.parameters())
    print(
        f"imported {len(state)} tensors with {num_parameters:,} parameters, iteration "
        f"{official.iteration}: {args.out}"
    )
    print(_what_next(args.out, config, official.iteration))


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("source", type=Path, metavar="IN.pt", help="file of the authors; it stays as it is")
    add("out", type=Path, metavar="OUT.pt", help="checkpoint to write")
    add("overrides", nargs="*", metavar="key=value", help="such as model.code_size=512")
    add("--config", required=True, help="config of the experiment that the file is from")
    add("--overwrite", action="store_true", help="replace OUT.pt")
    return parser.parse_intermixed_args(arguments)


def _check_free(out: Path, overwrite: bool) -> None:
    if out.is_dir():
        raise UserError(f"{out} is a folder; name the file to write, such as {out / 'model.pt'}")
    if out.exists() and not overwrite:
        raise UserError(f"{out} exists; name another file, or replace it with --overwrite")


def _checkpoint(config: Config, model: nn.Module, iteration: int) -> Checkpoint:
    """A checkpoint as the trainer would save it, with a fresh optimizer and not yet validated."""
    settings = config.training
    origins = continued((), provenance(config, "of the authors", settings.seed), 0)
    return Checkpoint(
        config=config.model_dump(),
        model=model.state_dict(),
        optimizer=make_optimizer(model, settings).state_dict(),
        state=TrainingState(iteration, 0.0, -math.inf, 0, origins),
    )


def _what_next(out: Path, config: Config, iteration: int) -> str:
    folder, budget = RunFolder.of(config), config.training.max_iterations
    if out.resolve() != folder.checkpoint.resolve():
        return (
            f"use it with generate.py --checkpoint {out}; to train on from it, import it as "
            f"{folder.checkpoint}"
        )
    if iteration >= budget:
        return f"train.py goes on from it when training.max_iterations, now {budget}, is raised"
    return "train.py goes on from it"


if __name__ == "__main__":
    sys.exit(exit_status(main))
