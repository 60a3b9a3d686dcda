"""Is a checkpoint one of this run?"""

from pathlib import Path

from im2mesh.checkpoints import Checkpoint, CheckpointError
from im2mesh.config import Config

OBSERVED = (
    "input",
    "num_frames",
    "num_input_frames",
    "input_frames",
    "input_pointcloud_corresponding",
)
"""Keys of section data that a run keeps: with others it would be another model."""


def refuse_another_run(checkpoint: Checkpoint, config: Config, path: Path) -> None:
    """Refuse to go on with another model, or one that observes something else.

    Raises:
        CheckpointError: Naming what differs.
    """
    before, now = checkpoint.config, config.model_dump()
    changed = [f"data.{key}" for key in OBSERVED if before["data"][key] != now["data"][key]]
    if before["model"] != now["model"]:
        changed.insert(0, "section model")
    if changed:
        raise CheckpointError(
            f"{path} was trained with other settings in {', '.join(changed)}; "
            "choose another output_dir, or --fresh to set the old run aside"
        )
