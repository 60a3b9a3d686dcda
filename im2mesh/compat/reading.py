"""Read checkpoint files of the authors' code, without executing anything from them."""

import codecs
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from im2mesh.files.torch_files import ENCODE
from im2mesh.runs.checkpoints import CheckpointError, read_values

STATE_KEYS = {"model", "state_dict", "model_state_dict"}
"""Keys under which programs save the parameters of a model; the authors' code uses the first."""
WRAPPERS = {"module", "_orig_mod"}
"""Parts of a name that torch adds: for a DataParallel model, and for a compiled one."""


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
    state = _state_dict(path, values)
    return OfficialCheckpoint(_without_wrappers(path, state), _iteration(path, values.get("it", 0)))


def _state_dict(path: Path, values: dict[Any, Any]) -> dict[str, Tensor]:
    """The state dict that a file holds under one of the usual keys, or that it is itself."""
    states = [values[key] for key in STATE_KEYS if key in values] or [values]
    if len(states) > 1:
        raise CheckpointError(
            f"{path} holds several state dicts, under {', '.join(STATE_KEYS & values.keys())}; "
            "save the one to import in a file of its own"
        )
    state = states[0]
    if (
        not isinstance(state, dict)
        or not state
        or not all(isinstance(name, str) and isinstance(x, Tensor) for name, x in state.items())
    ):
        raise CheckpointError(_no_model(path, f"the keys {', '.join(map(str, values))}"))
    return dict(state)


def _without_wrappers(path: Path, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The names of the parameters as they are without the wrappers that a model was saved in."""
    names = {
        name: ".".join(part for part in name.split(".") if part not in WRAPPERS) for name in state
    }
    if all(name.startswith("model.") for name in names.values()):  # a network inside a trainer
        names = {name: short.removeprefix("model.") for name, short in names.items()}
    bare = {names[name]: value for name, value in state.items()}
    if len(bare) < len(state):
        shown = sorted(name for name in state if name != names[name])[0]
        raise CheckpointError(
            f"{path} holds {names[shown]} twice, once as {shown}; save the model again, once"
        )
    return bare


def _iteration(path: Path, value: Any) -> int:
    if isinstance(value, Tensor) and value.numel() == 1:
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 0:
        raise CheckpointError(f"{path}: 'it' must be a number of training steps, got {value!r}")
    return int(value)


def _no_model(path: str | Path, content: str) -> str:
    shown = content if len(content) <= 200 else f"{content[:200]} ..."
    return (
        f"{path} has no state dict, neither as a whole nor under {', '.join(sorted(STATE_KEYS))}, "
        f"so it is no checkpoint of the authors' code; it holds {shown}"
    )


def _numpy_scalars() -> list[Any]:
    """Types and functions in a pickled number of numpy, under their names in numpy 1 and 2."""
    scalar = np.float64(0).__reduce__()[0]
    modules = ("numpy.core.multiarray", "numpy._core.multiarray")
    types = {type(np.dtype(name)) for name in ("f4", "f8", "i4", "i8")}
    scalars = ((scalar, f"{module}.scalar") for module in modules)
    return [np.dtype, *types, *scalars, (codecs.encode, ENCODE)]
