"""Is a checkpoint one of this run?"""

import warnings
from pathlib import Path

from im2mesh.checkpoints import Checkpoint, CheckpointError
from im2mesh.config import Config, DataConfig, ModelConfig
from im2mesh.config.files import flatten
from im2mesh.provenance import Provenance

OBSERVED = (
    "input",
    "num_frames",
    "frame_step",
    "num_input_frames",
    "input_frames",
    "input_pointcloud_corresponding",
)
"""Keys of section data that a run keeps: with others it would be another model."""
LEARNED_FROM = ("data.", "ode.", "loss.", "training.")
BUDGETS = {
    "data.root", "data.val_split", "data.test_split", "data.eval_stride",
    "training.max_iterations", "training.max_seconds", "training.max_skipped_batches",
    "training.num_workers", "training.print_every", "training.save_every",
    "training.validate_every",
}  # fmt: skip
"""Of these sections, what says for how long, how fast, and what is written and measured beside."""


def refuse_another_run(checkpoint: Checkpoint, config: Config, path: Path) -> None:
    """Refuse to go on with another model, or one that observes something else.

    Raises:
        CheckpointError: Naming what differs.
    """
    now = config.model_dump()
    # the checkpoint may be older than a key, which then had the effect of its default
    data = {**DataConfig().model_dump(), **checkpoint.config["data"]}
    model = {**ModelConfig().model_dump(), **checkpoint.config["model"]}
    changed = [f"data.{key}" for key in OBSERVED if data[key] != now["data"][key]]
    if model != now["model"]:
        changed.insert(0, "section model")
    if changed:
        raise CheckpointError(
            f"{path} was trained with other settings in {', '.join(changed)}; "
            "choose another output_dir, or --fresh to set the old run aside"
        )


def warn_of_other_settings(checkpoint: Checkpoint, config: Config, path: Path) -> None:
    """Tell which settings change what is learned from here on."""
    before, now = (dict(flatten(c, "")) for c in (checkpoint.config, config.model_dump()))
    changed = [
        f"{key} {before[key][0]} -> {now[key][0]}"
        for key in now.keys() & before.keys() - BUDGETS
        if key.startswith(LEARNED_FROM) and before[key] != now[key]
    ]
    if changed:
        warnings.warn(
            f"{path} was trained with other settings: {', '.join(sorted(changed))}. What is "
            "learned from here on is not what an undisturbed run would learn; --fresh starts anew",
            stacklevel=3,
        )


def warn_of_other_data(checkpoint: Checkpoint, now: Provenance, path: Path) -> None:
    """Tell loudly that the data has changed: it may be meant, but it is not the same training."""
    before = checkpoint.origins[-1]["dataset"]
    if before != now.dataset:
        warnings.warn(
            f"THE TRAINING DATA IS NOT WHAT {path} WAS TRAINED WITH (fingerprint {before}, now "
            f"{now.dataset}): clips were added, removed or made anew. If this is not meant, put "
            "the old data back; --fresh starts anew",
            stacklevel=3,
        )
