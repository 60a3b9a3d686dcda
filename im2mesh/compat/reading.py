"""Read checkpoint files of the authors' code, without executing anything from them."""

import io
import pickletools
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from torch import Tensor
from torch.serialization import safe_globals

from im2mesh.checkpoints import CheckpointError

ZIP_START = b"PK\x03\x04"  # by which torch tells its format from the older one
NUM_OLD_PICKLES = 4  # in a file of the older format, before the numbers of the tensors
MAX_NAME = 1000  # characters


@dataclass(frozen=True)
class OfficialCheckpoint:
    """What can be used of a file of the authors.

    Attributes:
        state: State dict of the model, under the official names.
        iteration: Training steps done; 0 where the file does not say.
    """

    state: dict[str, Tensor]
    iteration: int


def read_official(path: str | Path) -> OfficialCheckpoint:
    """Read a checkpoint of the authors' code, written by any version of torch.

    Raises:
        CheckpointError: If there is no such file, it is damaged or something else, or it holds
            objects other than tensors, numbers and text.
    """
    values = _load_safely(Path(path))
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


def _load_safely(path: Path) -> Any:
    if not path.is_file():
        raise CheckpointError(f"no file {path}; name a checkpoint of the authors' code")
    try:
        content = io.BytesIO(path.read_bytes())  # gives what it has, whatever is asked for
        _check_content(content)
        with safe_globals(_numpy_scalars()):
            return torch.load(content, map_location="cpu", weights_only=True)
    except Exception as error:  # the unpickler fails in many ways on damaged files
        raise CheckpointError(_why_not(path, error)) from error


def _check_content(content: io.BytesIO) -> None:
    """Refuse what torch.save never writes, and what torch needs too much memory or time for."""
    if content.getvalue().startswith(ZIP_START):
        with zipfile.ZipFile(content) as archive:
            for member in archive.infolist():
                if member.compress_type != zipfile.ZIP_STORED:
                    raise ValueError(f"{member.filename} is compressed")
                if member.filename.endswith("data.pkl"):
                    _check_names(archive.open(member))
    else:
        for _ in range(NUM_OLD_PICKLES):
            _check_names(content)
    content.seek(0)


def _check_names(pickled: IO[bytes]) -> None:
    """The time that torch takes to refuse a name grows with the square of the name's length."""
    for opcode, argument, _ in pickletools.genops(pickled):
        if opcode.name == "GLOBAL" and len(argument) > MAX_NAME:
            raise ValueError(f"it names something in {len(argument)} characters")


def _numpy_scalars() -> list[Any]:
    """What a pickled number of numpy consists of, under its names in numpy 1 and 2."""
    scalar = np.float64(0).__reduce__()[0]
    modules = ("numpy.core.multiarray", "numpy._core.multiarray")
    types = {type(np.dtype(name)) for name in ("f4", "f8", "i4", "i8")}
    return [np.dtype, *types, *((scalar, f"{module}.scalar") for module in modules)]


def _why_not(path: Path, error: Exception) -> str:
    refused = re.search(r"GLOBAL (\S+)|but got <class '(\S+)'>", str(error))
    if refused:
        return (
            f"{path} contains {refused[1] or refused[2]}. Only tensors, numbers and text are read; "
            "anything else may be made to execute code, and nothing was executed. Get the file "
            "from the authors"
        )
    return (
        f"{path} is damaged or was not written by torch.save ({type(error).__name__}); "
        "download it again"
    )
