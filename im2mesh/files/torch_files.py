"""Files of torch.save with tensors, numbers and text only. Reading them executes no code."""

import io
import pickletools
import re
import warnings
import zipfile
from collections.abc import Sequence, Set
from encodings import normalize_encoding
from encodings.aliases import aliases
from pathlib import Path
from typing import IO, Any

import torch
from torch.serialization import safe_globals

from im2mesh.errors import UserError
from im2mesh.files.atomic import atomic_file

ZIP_START = b"PK\x03\x04"  # start of a file in the present format of torch, not the older one
NUM_OLD_PICKLES = 5  # pickles before the values of the tensors, in the older format
MAX_NAME = 1000  # characters of the name of a class or function
HARMLESS = re.compile(
    r"collections\.OrderedDict|torch\._utils\._rebuild_(tensor|tensor_v2|parameter)"
    r"|torch\.nn\.parameter\.Parameter|torch\.(cuda\.)?(?!Typed|Untyped)[A-Z]\w*Storage"
)
"""Names that torch.save uses to write tensors. torch.load accepts more; some of those, such as
bytearray or FloatTensor, take as much memory as a number in the file says."""
ENCODE = "_codecs.encode"  # the function that torch.save names to write bytes
REPEATABLE = {"base64_codec", "hex_codec", "quopri_codec", "uu_codec"}
"""Codecs that turn bytes into more bytes: a few, encoded repeatedly, would fill any memory."""


class TorchFileError(UserError):
    """A file is damaged, or holds what could execute code. The message names the file."""


def write_torch_file(path: Path, values: Any, previous: Path | None = None) -> None:
    """Write a file with torch.save; a half-written file of that name never exists.

    Args:
        path: Path of the file.
        values: Tensors, numbers and text; anything else could not be read again.
        previous: New name for a file that is there already, once the new one is on disk.

    Raises:
        OSError: If the file cannot be written, as on a full disk; older files are kept.
    """
    content = io.BytesIO()  # torch would hide why a file cannot be written
    torch.save(values, content)
    with atomic_file(path, previous) as file:
        file.write(content.getbuffer())


def read_torch_file(path: Path, way_out: str, types: Sequence[Any] = ()) -> Any:
    """Read what torch.save wrote, with all tensors on the CPU.

    Args:
        path: Path of a file that exists.
        way_out: Advice to the user if the file cannot be used; ends the message.
        types: Harmless classes and functions to accept beside tensors, numbers and text.

    Raises:
        TorchFileError: If the file is damaged, down to a bit of a tensor, or holds anything else.
        OSError: If it cannot be opened.
    """
    content = io.BytesIO(path.read_bytes())  # unlike a file, allocates only what it has
    try:
        with warnings.catch_warnings(), safe_globals(list(types)):
            warnings.simplefilter("ignore")  # of torch and Python, on how a file is written
            _check_content(content, {_name_of(kind) for kind in types})
            return torch.load(content, map_location="cpu", weights_only=True)
    except MemoryError:
        raise  # does not mean that the file is damaged
    except Exception as error:  # damage shows in many ways; the user needs the name of the file
        raise TorchFileError(_explain(path, error, way_out)) from error


def _check_content(content: io.BytesIO, names: Set[str]) -> None:
    """Refuse what torch.save never writes, and damage that torch.load would not notice.

    torch.load does not compare tensors with their checksums in the file. A few bytes of compressed
    tensors could unpack to terabytes.
    """
    if content.getvalue().startswith(ZIP_START):
        with zipfile.ZipFile(content) as archive:
            for member in archive.infolist():
                if member.compress_type != zipfile.ZIP_STORED:
                    raise ValueError(f"{member.filename} is compressed")
                if member.filename.lower().endswith("data.pkl"):  # torch ignores case as well
                    _check_pickle(archive.open(member), names)
            if (damaged := archive.testzip()) is not None:
                raise ValueError(f"the bytes of {damaged} have changed")
    else:
        for _ in range(NUM_OLD_PICKLES):
            if content.tell() < content.getbuffer().nbytes:
                _check_pickle(content, names)
    content.seek(0)


def _check_pickle(pickled: IO[bytes], names: Set[str]) -> None:
    """Refuse names before torch.load meets them: it takes a time that grows with the square of the
    length of a name to refuse it, and not all names that it accepts are harmless.

    Args:
        pickled: Stream at the start of a pickle; it is left at the end of this pickle.
        names: Names to accept beside the harmless ones.
    """
    for opcode, argument, _ in pickletools.genops(pickled):
        _check_opcode(opcode.name, argument, names)


def _check_opcode(opcode: str, argument: Any, names: Set[str]) -> None:
    if opcode == "GLOBAL":
        _check_name(str(argument).replace(" ", "."), names)
    elif opcode in ("STACK_GLOBAL", "INST"):  # with names from anywhere in the file
        raise ValueError(f"torch.save does not write {opcode}")
    elif ENCODE in names and isinstance(argument, str) and _codec(argument) in REPEATABLE:
        raise ValueError(f"it names the codec {argument}")


def _check_name(name: str, names: Set[str]) -> None:
    if len(name) > MAX_NAME:
        raise ValueError(f"it names something in {len(name)} characters")
    if name not in names and not HARMLESS.fullmatch(name):
        raise ValueError(f"GLOBAL {name}")


def _name_of(kind: Any) -> str:
    """Name of a class or function in a pickle; a pair gives the name as its second part."""
    return kind[1] if isinstance(kind, tuple) else f"{kind.__module__}.{kind.__qualname__}"


def _codec(text: str) -> str:
    """The standard name of a codec; a text that names none comes back normalised."""
    name = normalize_encoding(text).lower()
    return aliases.get(name, name)


def _explain(path: Path, error: Exception, way_out: str) -> str:
    refused = re.search(r"GLOBAL (\S+)|but got <class '(\S+)'>", str(error))
    if refused:
        return (
            f"{path} contains {(refused[1] or refused[2]).rstrip('.')}. Only tensors, numbers and "
            "text are read; anything else may be made to execute code, and nothing was executed; "
            f"{way_out}"
        )
    return f"{path} is damaged or was not written by torch.save ({type(error).__name__}); {way_out}"
