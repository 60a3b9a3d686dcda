"""Read checkpoint files of the authors' code, without executing anything from them."""

import codecs
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from im2mesh.files.torch_files import ENCODE
from im2mesh.runs.checkpoints import CheckpointError, read_values


@dataclass(frozen=True)
class OfficialCheckpoint:
    """The usable content of a checkpoint of the authors.

    Attributes:
        state: State dict of the model, under the official names.
        iteration: Number of training steps done; 0 if the file does not say.
    """

    state: dict[str, Tensor]
    iteration: int


def read_official(path: str | Path) -> OfficialCheckpoint:
    """Read a checkpoint of the authors' code, written by any version of torch.

    Raises:
        CheckpointError: If there is no such file, it is damaged or something else, or it holds
            objects other than tensors, numbers and text.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"no file {path}; name a checkpoint of the authors' code")
    values = read_values(path, "get the file from the authors again", _numpy_scalars())
    if not isinstance(values, dict):
        raise CheckpointError(_no_model(path, f"a {type(values).__name__}"))
    if {"format", "version", "config"} <= set(values):
        raise CheckpointError(
            f"{path} is a checkpoint of this project already; use it as it is, for instance with "
            "generate.py --checkpoint"
        )
    state = values.get("model")
    if not isinstance(state, dict) or not all(
        isinstance(name, str) and isinstance(x, Tensor) for name, x in state.items()
    ):
        raise CheckpointError(_no_model(path, f"the keys {', '.join(map(str, values))}"))
    iteration = values.get("it", 0)
    if not isinstance(iteration, int | np.integer) or iteration < 0:
        raise CheckpointError(f"{path}: 'it' must be a number of training steps, got {iteration!r}")
    return OfficialCheckpoint(dict(state), int(iteration))


def _no_model(path: str | Path, content: str) -> str:
    shown = content if len(content) <= 200 else f"{content[:200]} ..."
    return (
        f"{path} has no state dict under the key 'model', so it is no checkpoint of the authors' "
        f"code; it holds {shown}"
    )


def _numpy_scalars() -> list[Any]:
    """Types and functions in a pickled number of numpy, under their names in numpy 1 and 2."""
    scalar = np.float64(0).__reduce__()[0]
    modules = ("numpy.core.multiarray", "numpy._core.multiarray")
    types = {type(np.dtype(name)) for name in ("f4", "f8", "i4", "i8")}
    scalars = ((scalar, f"{module}.scalar") for module in modules)
    return [np.dtype, *types, *scalars, (codecs.encode, ENCODE)]
