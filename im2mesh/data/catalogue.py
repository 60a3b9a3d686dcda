"""The catalogue of a packed data set that is served: what there is, without reading its clips."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from im2mesh.data.layout import PACKABLE, PACKED_ENDING, DataError, check_name
from im2mesh.files.remote import RemoteFile

CATALOGUE = "catalogue.json"
"""Beside the categories of a data set that is served."""
FORMAT = "im2mesh catalogue 1"
STREAMED = tuple(f"{folder}{PACKED_ENDING}" for folder in PACKABLE)
"""Names of the files of a clip that are fetched when they are needed."""


@dataclass(frozen=True)
class StreamedClip:
    """A clip that is served.

    Attributes:
        fingerprint: That of its packed files and of all others it has where it is served.
        first, step, count: The numbers of its frames.
        files: Name of a packed file -> what it is like.
    """

    fingerprint: str
    first: int
    step: int
    count: int
    files: Mapping[str, RemoteFile]

    @property
    def numbers(self) -> tuple[int, ...]:
        return tuple(range(self.first, self.first + self.step * self.count, self.step))


@dataclass(frozen=True)
class Catalogue:
    """What a served data set holds.

    Attributes:
        clips: <category>/<clip> -> the clip.
        lists: <category>/<split>.lst -> its text.
    """

    clips: Mapping[str, StreamedClip]
    lists: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """As it stands in a file."""
        return {
            "format": FORMAT,
            "clips": {name: asdict(clip) for name, clip in self.clips.items()},
            "lists": dict(self.lists),
        }


def parse_catalogue(content: Any, where: str) -> Catalogue:
    """A catalogue that came from somewhere else.

    Raises:
        DataError: If it is none, or a name in it leads elsewhere.
    """
    try:
        if content["format"] != FORMAT:
            raise ValueError(f"its format is {str(content['format'])[:40]!r}, expected {FORMAT!r}")
        clips = {_checked(name): _clip(clip) for name, clip in content["clips"].items()}
        lists = {_checked(name): str(text) for name, text in content["lists"].items()}
        if not clips or not all(name.endswith(".lst") for name in lists):
            raise ValueError("it names no clip, or files that are no splits")
        return Catalogue(clips, lists)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        told = f"it has no {error}" if isinstance(error, KeyError) else error
        raise DataError(
            f"{where} is no catalogue of a packed data set ({told}); write it with "
            "scripts/stream.py publish"
        ) from error


def _clip(content: Any) -> StreamedClip:
    files = {
        name: RemoteFile(int(size), str(sha)) for name, (size, sha) in content["files"].items()
    }
    numbers = [content[key] for key in ("first", "step", "count")]
    if not all(type(number) is int for number in numbers) or min(numbers[1:]) < 1 or numbers[0] < 0:
        raise ValueError(f"{numbers} are no numbers of frames")
    if not files.keys() <= set(STREAMED) or STREAMED[0] not in files:
        raise ValueError(f"a clip has the files {sorted(files)}")
    if not re.fullmatch("[0-9a-f]+", content["fingerprint"]):
        raise ValueError("a fingerprint is none")
    first, step, count = numbers
    return StreamedClip(content["fingerprint"], first, step, count, files)


def _checked(name: str) -> str:
    """A name such as <category>/<clip>, which leads nowhere else."""
    category, _, rest = name.partition("/")
    check_name(category, "category")
    check_name(rest, "clip or split")
    return name
