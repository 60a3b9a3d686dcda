"""Files of configs of the authors' code, with all that they inherit."""

import os
from pathlib import Path
from typing import Any

from im2mesh.config.files import INHERIT_KEY, read_yaml
from im2mesh.errors import ConfigError

Values = dict[str, Any]

MAX_FILES = 10  # that inherit from one another


def read_official_config(path: Path, depth: int = 0) -> Values:
    """Read a config of the authors' code with all that it inherits.

    The file that `inherit_from` names is relative to the folder where their programs run, which is
    looked for above the file.

    Raises:
        ConfigError: If a file is missing, is no YAML, or inherits from itself.
    """
    values = read_yaml(path, "; name a config of the authors' code")
    parent = values.pop(INHERIT_KEY, None)
    if parent is None:
        return values
    places = [folder / str(parent) for folder in (Path(), *path.resolve().parents)]
    # os.path takes any text, also names that are too long for a file
    found = next((place for place in places if os.path.isfile(place)), None)  # noqa: PTH113
    if found is None or depth == MAX_FILES:
        raise ConfigError(
            f"{path} inherits from {parent}, which lies in no folder above it, or leads back to it"
        )
    inherited = read_official_config(found, depth + 1)
    return _merged(inherited, values)


def _merged(below: Values, above: Values) -> Values:
    merged = dict(below)
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(below.get(key), dict)
        merged[key] = _merged(below[key], value) if both else value
    return merged
