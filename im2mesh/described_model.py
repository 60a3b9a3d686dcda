"""Is the model that a file describes the one whose weights it holds?"""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch.nn.modules.module import register_module_parameter_registration_hook

from im2mesh.checkpoints import DamagedCheckpointError, refuse_another_model


def check_described(
    make_model: Callable[[], torch.nn.Module], state: dict[str, Any], path: Path
) -> None:
    """Refuse a model that is not the one of a file, whose own config describes it.

    A small file may describe a model of any size, so none is made before it is known to be that of
    the weights: here without memory for weights, and with no more of them than the file has.

    Args:
        make_model: As described.
        state: The weights, as they were read.
        path: Of the file.

    Raises:
        CheckpointError: If a name or shape differs, or the file is too small for all weights.
    """
    with torch.device("meta"), _at_most(2 * len(state)):
        try:
            model = make_model()
        except (ValueError, RuntimeError, TypeError, OverflowError) as error:  # too large numbers
            reason = str(error).splitlines()[0]
            raise DamagedCheckpointError(
                f"{path} is damaged: its config describes a model that cannot be built ({reason}); "
                "take an intact file, or train again"
            ) from error
    refuse_another_model(model, state, path)
    claimed = sum(value.nbytes for value in model.state_dict().values())
    if claimed > path.stat().st_size:
        raise DamagedCheckpointError(
            f"{path} is damaged: it has {path.stat().st_size} bytes and claims weights of "
            f"{claimed}; take an intact file, or train again"
        )


@contextmanager
def _at_most(count: int) -> Iterator[None]:
    """Stop making a model whose layers have more weights."""
    counted = itertools.count(1)

    def look(_module: torch.nn.Module, _name: str, _weight: torch.nn.Parameter) -> None:
        if next(counted) > count:
            raise RuntimeError(f"it has more than {count} weights")

    hook = register_module_parameter_registration_hook(look)
    try:
        yield
    finally:
        hook.remove()
