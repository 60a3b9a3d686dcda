"""Files of glTF 2.0: the chunks of a .glb, and a .gltf with its buffers (sections 3.6.1 and 4)."""

import base64
import json
import re
import struct
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, unquote_to_bytes

from im2mesh.meshing.formats.gltf.document import Document, check_version, whole_number

_MAGIC, _JSON_CHUNK, _BINARY_CHUNK = b"glTF", b"JSON", b"BIN\0"


def open_glb(path: Path) -> Document:
    """Read a .glb. Its buffers lie in the file itself; other files are not opened."""
    content = path.read_bytes()
    chunks = _split_chunks(content)
    if _JSON_CHUNK not in chunks:
        raise ValueError("it has no JSON chunk")
    binary = chunks.get(_BINARY_CHUNK)
    return _parse(chunks[_JSON_CHUNK], len(content), lambda number: binary, None)


def open_gltf(path: Path) -> Document:
    """Read a .gltf. Its buffers are data URIs, or files in its folder or below."""
    content = path.read_bytes()
    sizes = [file.stat().st_size for file in buffer_files(path) if file.is_file()]
    return _parse(content, len(content) + sum(sizes), lambda number: None, path.parent)


def buffer_files(path: Path) -> set[Path]:
    """The other files that a .gltf reads; none if it is broken, which reading it will tell."""
    try:
        buffers = json.loads(path.read_bytes().decode("utf-8-sig"))["buffers"]
        names = {buffer["uri"] for buffer in buffers if "uri" in buffer}
        return {_beside(path.parent, name) for name in names if not _is_data(name)}
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return set()


def _split_chunks(content: bytes) -> dict[bytes, bytes]:
    """Kind -> the first chunk of this kind; others are ignored, as section 4.4.1 says."""
    if len(content) < 12 or content[:4] != _MAGIC:
        raise ValueError("it is no binary glTF file")
    version, end = struct.unpack_from("<II", content, 4)
    if version != 2:
        raise ValueError(f"it is binary glTF {version}, and only 2 is read")
    if end > len(content):
        raise ValueError(f"it ends early: {len(content)} bytes, {end} expected")
    chunks: dict[bytes, bytes] = {}
    start = 12
    while start + 8 <= end:
        length, kind = struct.unpack_from("<I4s", content, start)
        start += 8
        if start + length > end:
            raise ValueError(f"it ends early: {end} bytes, a chunk ends at {start + length}")
        chunks.setdefault(kind, content[start : start + length])
        start += length
    if start != end:
        raise ValueError(f"it ends early: {end - start} bytes follow its last chunk")
    return chunks


def _parse(
    text: bytes, size: int, embedded: Callable[[int], bytes | None], folder: Path | None
) -> Document:
    content = json.loads(text.decode("utf-8-sig").rstrip("\0"))  # some pad with zeros
    check_version(content)
    load_uri = cache(partial(_load_uri, folder=folder))  # many buffers may name one file

    def load(number: int) -> memoryview:
        buffer = document.entry("buffers", number)
        if "uri" in buffer:
            found = load_uri(buffer["uri"])
        else:
            found = embedded(number) if number == 0 else None
        length = whole_number(buffer.get("byteLength"), "the length of a buffer")
        if found is None:
            raise ValueError(
                f"its buffer {number} holds no data, as in files that are compressed; "
                "export it without compression"
            )
        if length > len(found):
            raise ValueError(f"its buffer {number} ends early: {len(found)} of {length} bytes")
        return memoryview(found)[:length]

    document = Document(content, size, load)
    return document


def _load_uri(uri: Any, folder: Path | None) -> bytes:
    """The bytes that a URI stands for; `folder` is None where other files are not opened."""
    if not isinstance(uri, str):
        raise ValueError("the uri of a buffer is no text")
    if _is_data(uri):
        return _decode(uri)
    if folder is None:
        raise ValueError(
            f"its buffer is another file, {uri[:100]!r}; export it as one .glb that holds all"
        )
    path = _beside(folder, uri)
    if not path.is_file():
        raise ValueError(f"its buffer {uri[:100]!r} is missing; copy it to the same folder")
    return path.read_bytes()


def _is_data(uri: str) -> bool:
    return uri[:5].lower() == "data:"


def _decode(uri: str) -> bytes:
    head, comma, data = uri.partition(",")
    if not comma:
        raise ValueError("the data URI of a buffer has no comma")
    if head.lower().endswith(";base64"):
        return base64.b64decode(unquote(data), validate=True)
    return unquote_to_bytes(data)


def _beside(folder: Path, uri: str) -> Path:
    """The file that a relative URI names. It must lie in the folder of the .gltf or below."""
    name = unquote(uri)
    parts = PurePosixPath(name).parts
    if re.match(r"[A-Za-z][\w+.-]*:", name) or name.startswith("/") or ".." in parts or not parts:
        raise ValueError(
            f"its buffer {uri[:100]!r} is not in its own folder, and nothing else is opened; "
            "copy the buffer there and change the uri"
        )
    if "\\" in name or not name.isprintable():
        raise ValueError(f"its buffer {uri[:100]!r} is not the name of a file")
    return folder / name
