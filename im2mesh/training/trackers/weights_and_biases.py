"""Weights & Biases: the same, in an account there, or offline on the disk."""

import io
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from im2mesh.errors import UserError
from im2mesh.training.trackers.animation import encode_gif
from im2mesh.training.trackers.tracker import Tracker

ID_FILE = "wandb_id.txt"
"""In the folder of the logs: the name under which a training that goes on is found again."""
STEP = "iteration"


class WeightsAndBiases(Tracker):
    """Tells a run of wandb; its own environment variables (WANDB_MODE, WANDB_PROJECT) hold.

    Args:
        folder: Folder of the logs, in which files of wandb lie, too.

    Raises:
        UserError: If wandb is not installed, or begins no run, as without an account.
    """

    def __init__(self, folder: Path) -> None:
        self._wandb = _import_wandb()
        folder.mkdir(parents=True, exist_ok=True)
        # no `step` of wandb: it must increase, and a training may go on from an earlier checkpoint
        try:
            self._run = self._wandb.init(
                dir=str(folder), id=_run_id(folder), resume="allow", name=folder.parent.name
            )
        except Exception as error:  # its exceptions are many, and differ from version to version
            raise UserError(
                f"wandb begins no run ({error}); run `wandb login`, set WANDB_MODE=offline, or set "
                "training.tracker to tensorboard"
            ) from error
        self._run.define_metric("*", step_metric=STEP)

    def scalars(self, values: Mapping[str, float], iteration: int) -> None:
        self._run.log({**values, STEP: iteration})

    def reference(self, name: str, values: Mapping[str, float], iteration: int) -> None:
        self.scalars({f"{tag} ({name})": value for tag, value in values.items()}, iteration)

    def histogram(self, name: str, values: Float[np.ndarray, "N"], iteration: int) -> None:
        self._run.log({name: self._wandb.Histogram(values), STEP: iteration})

    def image(self, name: str, pixels: UInt8[np.ndarray, "H W 3"], iteration: int) -> None:
        self._run.log({name: self._wandb.Image(pixels), STEP: iteration})

    def video(
        self, name: str, frames: UInt8[np.ndarray, "T H W 3"], fps: float, iteration: int
    ) -> None:
        file = self._wandb.Video(io.BytesIO(encode_gif(frames, fps)), format="gif")
        self._run.log({name: file, STEP: iteration})

    def text(self, name: str, content: str) -> None:
        self._run.summary[name] = content

    def close(self, failed: bool) -> None:
        self._run.finish(exit_code=int(failed))


def _run_id(folder: Path) -> str:
    file = folder / ID_FILE
    if not file.exists():
        file.write_text(uuid.uuid4().hex)
    return file.read_text().strip()


def _import_wandb() -> Any:
    try:
        import wandb  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise UserError(
            "training.tracker wandb needs wandb, run: pip install -e .[wandb]"
        ) from error
    return wandb
