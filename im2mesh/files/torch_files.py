"""Files of torch.save: of tensors, numbers and text, and nothing else. Executes nothing."""

import io
import pickletools
import re
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

ZIP_START = b"PK\x03\x04"  # by which torch tells its format from the older one
NUM_OLD_PICKLES = 5  # in a file of the older format, before the numbers of the tensors
MAX_NAME = 1000  # characters
HARMLESS = re.compile(
    r"collections\.OrderedDict|torch\._utils\._rebuild_(tensor|tensor_v2|parameter)"
    r"|torch\.nn\.parameter\.Parameter|torch\.(cuda\.)?(?!Typed|Untyped)[A-Z]\w*Storage"
)
"""Names with which torch.save writes tensors. torch would read more, and some of these, such as
bytearray or FloatTensor, take as much memory as a number in the file says."""
ENCODE = "_codecs.encode"  # with which bytes are written
REPEATABLE = {"base64_codec", "hex_codec", "quopri_codec", "uu_codec"}
"""Codecs of bytes as more bytes: a few bytes, encoded again and again, would fill any memory."""


class TorchFileError(UserError):
    """A file is damaged, or holds what could execute code. The message names the file."""


def write_torch_file(path: Path, values: Any, previous: Path | None = None) -> None:
    """Write what torch.save can; at no time is there a half-written file of that name.

    Args:
        path: Of the file.
        values: Tensors, numbers and text, or they cannot be read again.
        previous: Name that the present file of that name gets, once the new one is on disk.

    Raises:
        OSError: If it cannot be written, as on a full disk; older files are as they were.
    """
    content = io.BytesIO()  # torch would hide why a file cannot be written
    torch.save(values, content)
    with atomic_file(path, previous) as file:
        file.write(content.getbuffer())


def read_torch_file(path: Path, way_out: str, types: Sequence[Any] = ()) -> Any:
    """What torch.save wrote, on the CPU.

    Args:
        path: A file that is there.
        way_out: What the user can do about a file that cannot be used.
        types: More than tensors, numbers and text, if they are harmless.

    Raises:
        TorchFileError: If the file is damaged, down to a bit of a tensor, or holds anything else.
        OSError: If it cannot be opened.
    """
    content = io.BytesIO(path.read_bytes())  # gives what it has, whatever is asked for
    try:
        _check_content(content, {_name_of(kind) for kind in types})
        with safe_globals(list(types)):
            return torch.load(content, map_location="cpu", weights_only=True)
    except MemoryError:
        raise  # says nothing of the file
    except Exception as error:  # damage shows in many ways; the user needs the name of the file
        raise TorchFileError(_explain(path, error, way_out)) from error


def _check_content(content: io.BytesIO, names: Set[str]) -> None:
    """Refuse what torch.save never writes, and what torch does not look at, or takes too long to.

    torch does not compare tensors with the checksums that the file has of them; of compressed
    tensors, few bytes may ask for terabytes.
    """
    if content.getvalue().startswith(ZIP_START):
        with zipfile.ZipFile(content) as archive:
            for member in archive.infolist():
                if member.compress_type != zipfile.ZIP_STORED:
                    raise ValueError(f"{member.filename} is compressed")
                if member.filename.lower().endswith("data.pkl"):  # torch, too, ignores case
                    _check_pickle(archive.open(member), names)
            if (damaged := archive.testzip()) is not None:
                raise ValueError(f"the bytes of {damaged} have changed")
    else:
        for _ in range(NUM_OLD_PICKLES):
            if content.tell() < content.getbuffer().nbytes:
                _check_pickle(content, names)
    content.seek(0)


def _check_pickle(pickled: IO[bytes], names: Set[str]) -> None:
    """Refuse names before torch meets them: the time that it takes to refuse one grows with the
    square of the name's length, and not all that it accepts is harmless.

    Args:
        pickled: Ends at its end.
        names: That are accepted beside the harmless ones.
    """
    for opcode, argument, _ in pickletools.genops(pickled):
        if opcode.name == "GLOBAL":
            _check_name(str(argument).replace(" ", "."), names)
        elif opcode.name in ("STACK_GLOBAL", "INST"):  # whose names may be put together elsewhere
            raise ValueError(f"torch.save does not write {opcode.name}")
        elif ENCODE in names and isinstance(argument, str) and _codec(argument) in REPEATABLE:
            raise ValueError(f"it names the codec {argument}")


def _check_name(name: str, names: Set[str]) -> None:
    if len(name) > MAX_NAME:
        raise ValueError(f"it names something in {len(name)} characters")
    if name not in names and not HARMLESS.fullmatch(name):
        raise ValueError(f"GLOBAL {name}")


def _name_of(kind: Any) -> str:
    """Of a class or function, which may be given together with another name that it is read by."""
    return kind[1] if isinstance(kind, tuple) else f"{kind.__module__}.{kind.__qualname__}"


def _codec(text: str) -> str:
    """The codec of that name, if there is one."""
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
