"""A device that exists nowhere and behaves as a GPU: it finds what a CPU forgives.

Tensors on it report the device `meta` and have real shapes, types and gradients. Their values lie
on the CPU, so that control flow is that of a real run. Operations with tensors of both devices are
errors, as on a GPU; reads by the host and copies in either direction are noted with their place.
Copies to the device that the host does not wait for (non_blocking) are notes of their own kind.
"""

import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_flatten, tree_map

aten = torch.ops.aten
SENT = "sent to the device: "
DEVICE = torch.device("meta")
PACKAGE = Path(__file__).resolve().parents[1] / "im2mesh"
READS = {
    aten._local_scalar_dense.default, aten.nonzero.default, aten.masked_select.default,
    aten.equal.default, aten._unique2.default, aten.unique_dim.default,
}  # fmt: skip
"""Operations whose result the host needs before it can go on."""
MAY_MIX = {aten.index.Tensor, aten.index_put.default, aten.index_put_.default, aten.copy_.default}


class FarTensor(Tensor):
    """A tensor of the pretended device; `near` has its values."""

    near: Tensor

    @staticmethod
    def __new__(cls, near: Tensor) -> "FarTensor":
        far = torch.Tensor._make_wrapper_subclass(
            cls, near.size(), strides=near.stride(), storage_offset=near.storage_offset(),
            dtype=near.dtype, layout=near.layout, device=DEVICE, requires_grad=near.requires_grad,
        )  # fmt: skip
        far.near = near
        return far

    def tolist(self) -> list:
        return self.cpu().tolist()

    def __repr__(self, **_: Any) -> str:
        return f"FarTensor({self.near})"

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise RuntimeError(f"{func} outside of `pretended_device`")


class _Dispatch(TorchDispatchMode):
    """Computes on the CPU what is asked of the pretended device, and notes reads and copies."""

    def __init__(self) -> None:
        super().__init__()
        self.notes: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        tensors = [x for x in tree_flatten((args, kwargs))[0] if isinstance(x, Tensor)]
        is_far = [isinstance(x, FarTensor) for x in tensors]
        for x in tensors:
            if x.device == DEVICE and not isinstance(x, FarTensor):
                raise RuntimeError(f"{func}: a tensor without values, at {_place()}")
        asked = kwargs.get("device")
        goes_far = asked is not None and torch.device(asked) == DEVICE
        if not any(is_far) and not goes_far:
            return func(*args, **kwargs)
        if goes_far and kwargs.get("non_blocking") and not all(is_far):
            self.notes[f"{SENT}{_place()}"] += 1
        else:
            self._note(func, tensors, args, goes_far, asked)
        near_args, near_kwargs = tree_map(_near, (args, kwargs))
        if asked is not None:
            near_kwargs["device"] = torch.device("cpu")
        result = func(*near_args, **near_kwargs)
        if func in READS - {aten.nonzero.default, aten._unique2.default, aten.unique_dim.default}:
            return result if not isinstance(result, Tensor) else FarTensor(result)
        if asked is not None and not goes_far:
            return result
        far = tree_map(lambda x: FarTensor(x) if isinstance(x, Tensor) else x, result)
        return return_and_correct_aliasing(func, args, kwargs, far)

    def _note(
        self, func: Any, tensors: list[Tensor], args: Any, goes_far: bool, asked: Any
    ) -> None:
        mixes = [x for x in tensors if not isinstance(x, FarTensor) and x.dim()]
        if func is aten._to_copy.default and goes_far and mixes:
            self.notes[f"copy to the device: {_place()}"] += 1
        elif asked is not None and not goes_far:
            self.notes[f"copy to the host: {_place()}"] += 1
        elif mixes and any(isinstance(x, FarTensor) for x in tensors):
            if func not in MAY_MIX:
                raise RuntimeError(f"{func}: tensors of the GPU and the CPU, at {_place()}")
            self.notes[f"copy to the device: {_place()}"] += 1
        if func in READS or (func is aten.index.Tensor and _has_mask(args[1])):
            self.notes[f"read by the host: {_place()}"] += 1


def _near(x: Any) -> Any:
    return x.near if isinstance(x, FarTensor) else x


def _has_mask(indices: Any) -> bool:
    return any(isinstance(i, Tensor) and i.dtype == torch.bool for i in indices)


def _place() -> str:
    """The innermost line of the package that is running: file and function."""
    for frame in reversed(traceback.extract_stack()):
        path = Path(frame.filename)
        if path.is_relative_to(PACKAGE) and not frame.name.startswith("<"):
            return f"{path.relative_to(PACKAGE).as_posix()} {frame.name}"
    return "outside of the package"


@contextmanager
def pretended_device(monkeypatch: Any) -> Iterator[Counter]:
    """Make the device known; yields the notes, in words, with their counts."""
    plain = torch.autocast

    def autocast(device_type: str, *arguments: Any, **options: Any) -> Any:
        return plain("cpu" if device_type == DEVICE.type else device_type, *arguments, **options)

    monkeypatch.setattr(torch, "autocast", autocast)
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda _: False)
    monkeypatch.setattr(torch, "get_autocast_dtype", lambda _: torch.bfloat16)
    with _Dispatch() as dispatch:
        yield dispatch.notes


def to_device(model: nn.Module) -> nn.Module:
    """Move a model there, in place."""
    for module in model.modules():
        for name, weight in list(module._parameters.items()):
            if weight is not None:
                module._parameters[name] = nn.Parameter(FarTensor(weight.data))
        for name, buffer in list(module._buffers.items()):
            if buffer is not None:
                module._buffers[name] = FarTensor(buffer)
    return model
