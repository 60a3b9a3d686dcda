"""The weights of a model: their hash, and whether those of a file fit a model."""

import hashlib
import itertools
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch.nn.modules.module import register_module_parameter_registration_hook

from im2mesh.runs.checkpoints import CheckpointError, DamagedCheckpointError


def weights_digest(model: torch.nn.Module) -> str:
    """Hash of the names and values of all weights and buffers of a model."""
    digest = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.cpu().contiguous().view(-1).numpy().tobytes())
    return digest.hexdigest()


def load_weights(model: torch.nn.Module, state: dict[str, Any], origin: str | Path) -> None:
    """Fill a model with a state dict, strictly.

    Raises:
        CheckpointError: If a name or shape differs; the message says which.
    """
    refuse_another_model(model, state, origin)
    model.load_state_dict(state, strict=True)


def refuse_another_model(model: torch.nn.Module, state: dict[str, Any], origin: str | Path) -> None:
    """Refuse a state dict whose names or shapes differ from those of a model.

    Raises:
        CheckpointError: With the names that differ.
    """
    differences = list(_differences(model.state_dict(), state))
    if differences:
        raise CheckpointError(
            f"{origin} holds another model than the config describes: {'; '.join(differences)}; "
            "use the config it was trained with"
        )


def _differences(expected: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[str]:
    """Missing, unknown and misshapen entries of a state dict: the first of each, and a count."""
    missing = [name for name in expected if name not in found]
    unknown = [name for name in found if name not in expected]
    misshapen = [
        f"{name} ({_shape(found[name])} instead of {_shape(expected[name])})"
        for name in expected
        if name in found and _shape(found[name]) != _shape(expected[name])
    ]
    for what, names in (
        ("it lacks", missing),
        ("it also has", unknown),
        ("it has a different shape for", misshapen),
    ):
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            yield f"{what} {names[0]}{more}"


def _shape(value: Any) -> list[int] | None:
    """The shape of a tensor; None for any other value."""
    return list(value.shape) if isinstance(value, torch.Tensor) else None


def check_described(
    make_model: Callable[[], torch.nn.Module], state: dict[str, Any], path: Path
) -> None:
    """Refuse a file whose config describes another model than the one of its weights.

    The config of a small file may describe a model of any size. So the model is first built on the
    meta device, without memory for weights, and only up to twice as many weights as the file has.

    Args:
        make_model: Function that builds the model of the config.
        state: Weights, as they were read from the file.
        path: Path of the file.

    Raises:
        CheckpointError: If a name or shape differs, or the file is too small for all weights.
    """
    with torch.device("meta"), _at_most(2 * len(state)):
        try:
            model = make_model()
        except (ValueError, RuntimeError, TypeError, OverflowError) as error:  # huge numbers
            reason = str(error).splitlines()[0]
            raise DamagedCheckpointError(
                f"{path} is damaged: its config describes a model that cannot be built ({reason}); "
                "take an intact file, or train again"
            ) from error
    refuse_another_model(model, state, path)
    shapes = model.state_dict()
    claimed = sum(shapes[name].numel() * state[name].element_size() for name in shapes)
    if claimed > path.stat().st_size:
        raise DamagedCheckpointError(
            f"{path} is damaged: it has {path.stat().st_size} bytes, but its weights need "
            f"{claimed}; take an intact file, or train again"
        )


@contextmanager
def _at_most(count: int) -> Iterator[None]:
    """Stop building a model once its layers have more than `count` weight tensors.

    The hook of PyTorch is called in all threads, and another one may build another model meanwhile.
    """
    counted, builder = itertools.count(1), threading.get_ident()

    def look(_module: torch.nn.Module, _name: str, _weight: torch.nn.Parameter) -> None:
        if threading.get_ident() == builder and next(counted) > count:
            raise RuntimeError(f"it has more than {count} weight tensors")

    hook = register_module_parameter_registration_hook(look)
    try:
        yield
    finally:
        hook.remove()
