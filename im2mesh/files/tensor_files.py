"""Named tensors in a .safetensors file, with what they mean in its header, and a checksum."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from im2mesh.errors import UserError
from im2mesh.files.atomic import atomic_file


class TensorFileError(UserError):
    """A file is damaged. The message names it, and says how."""


class OtherFormatError(TensorFileError):
    """A file is intact, as far as can be told, but of another format."""


def write_tensors(
    path: Path, kind: str, tensors: Mapping[str, Tensor], header: Mapping[str, Any]
) -> None:
    """Write a file; an older one is kept until the new one is complete.

    Args:
        kind: Name and version of the format.
        header: What else belongs to it, as JSON can say it.

    Raises:
        OSError: If the file cannot be written; an older one is kept.
    """
    content = {**header, "checksum": checksum(tensors)}
    stored = {name: tensor.contiguous() for name, tensor in tensors.items()}
    with atomic_file(path) as file:
        file.write(safetensors.torch.save(stored, {kind: json.dumps(content)}))


def read_tensors(path: Path, kind: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read a file that exists, onto the CPU. Executes no code.

    Returns:
        The tensors, and the header.

    Raises:
        OtherFormatError: If the file is of another format.
        TensorFileError: If it is damaged, down to a bit of a tensor.
    """
    try:
        with safe_open(path, "pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise TensorFileError(f"{path} is damaged: {error}") from error
    if kind not in header:
        raise OtherFormatError(f"{path} is not in the format '{kind}'")
    values = _parse(header[kind], path)
    if values.pop("checksum", None) != checksum(tensors):
        raise TensorFileError(
            f"{path} is damaged: the checksum of its weights is not that of its header"
        )
    return tensors, values


def checksum(tensors: Mapping[str, Tensor]) -> str:
    """Hash of names, types, shapes and values, in the order of the names."""
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        digest.update(tensor.cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _parse(text: str, path: Path) -> dict[str, Any]:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise TensorFileError(f"{path} is damaged: its header cannot be read ({error})") from error
    if not isinstance(values, dict):
        raise TensorFileError(f"{path} is damaged: its header lists no names")
    return values
