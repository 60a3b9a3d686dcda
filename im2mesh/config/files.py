"""YAML files, inheritance and overrides -> settings, each with the place where it was set."""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from im2mesh.errors import ConfigError

INHERIT_KEY = "inherit_from"
COMMAND_LINE = "command line"
MAX_BYTES = 2**18  # size of one file, a hundred times what any config needs
MAX_KEYS = 1000  # keys of one config, with those that it inherits
MAX_DEPTH = 50  # values within values
MAX_FILES = 100  # files that one config reads; one that is inherited twice counts twice
YAML_1_2_FLOAT = re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$")
YAML_1_2_BOOL = re.compile(r"^(true|True|TRUE|false|False|FALSE)$")
BOOL_TAG = "tag:yaml.org,2002:bool"

Settings = dict[str, tuple[Any, str]]
"""Dotted key -> (value, where it was set)."""


def read_settings(path: str | Path, overrides: Sequence[str] = ()) -> Settings:
    """Merge a YAML file, the files it inherits from, and overrides such as `ode.method=rk4`.

    `inherit_from` names one file or several, relative to the file it stands in; later ones win over
    earlier ones, and a file wins over those it inherits. Overrides, in YAML, win over all files.

    Raises:
        ConfigError: If a file is missing, is not valid YAML, is too large, or inherits from itself;
            if an override is not of the form key=value.
    """
    settings = _read_inherited(Path(path), (), [])
    _merge(settings, {key: value for text in overrides for key, value in _parse_override(text)})
    return settings


def flatten(
    values: Mapping[str, Any], origin: str, prefix: str = ""
) -> Iterator[tuple[str, tuple[Any, str]]]:
    """Nested sections -> dotted keys."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from flatten(value, origin, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", (value, origin)


def nest(settings: Settings) -> dict[str, Any]:
    """Dotted keys -> nested sections."""
    nested: dict[str, Any] = {}
    for key, (value, _) in settings.items():
        section = nested
        *parents, last = key.split(".")
        for parent in parents:
            section = section.setdefault(parent, {})
        section[last] = value
    return nested


class _Loader(yaml.SafeLoader):
    """Safe YAML that reads 1e-4 as a number and `off`, the name of a format, as a word (YAML 1.2),
    and refuses a key written twice.

    Aliases are refused, for with them a small file can stand for more than fits into memory, and so
    are values deep inside of others, whose end takes long to find.
    """

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark
            raise _at(mark, f"aliases are not read; write the value out, or use {INHERIT_KEY}")
        if self.depth == MAX_DEPTH:
            raise _at(self.peek_event().start_mark, "it is nested too deeply")
        self.depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        keys = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise _at(key_node.start_mark, f"key {key!r} is not text; put it in quotes")
            if key in keys:
                raise _at(key_node.start_mark, f"key '{key}' is written twice")
            keys.add(key)
        return super().construct_mapping(node, deep)

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        value = super().construct_yaml_int(node)
        if abs(value) >= 2**64:
            raise _at(node.start_mark, "a number takes more than 64 bits")
        return value


def _at(mark: Any, problem: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=mark)


# YAML 1.1 also took yes, no, on and off for truth values
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != BOOL_TAG]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(BOOL_TAG, YAML_1_2_BOOL, list("tTfF"))
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", YAML_1_2_FLOAT, list("-+.0123456789"))


def _read_inherited(path: Path, children: tuple[Path, ...], read: list[Path]) -> Settings:
    """Read a file and what it inherits. `children` led to it; `read` lists all files so far."""
    hint = f", which {children[-1]} inherits from" if children else _hint(path)
    values = read_yaml(path, hint)
    if path.resolve() in children:
        raise ConfigError(f"{path}: {INHERIT_KEY} leads back to this file; name another, or none")
    read.append(path)
    if len(read) > MAX_FILES:
        raise ConfigError(f"{read[0]} inherits from more than {MAX_FILES} files")
    parents = values.pop(INHERIT_KEY, [])
    settings: Settings = {}
    for parent in parents if isinstance(parents, list) else [parents]:
        if not isinstance(parent, str):
            raise ConfigError(f"{path}: {INHERIT_KEY} must be the path of a YAML file, or several")
        above = _read_inherited(path.parent / parent, (*children, path.resolve()), read)
        _merge(settings, above)
    own = dict(flatten(values, str(path)))
    if len(own) + len(settings) > MAX_KEYS:
        raise ConfigError(f"{path} has more than {MAX_KEYS} keys, with those that it inherits")
    _merge(settings, own)
    return settings


def _merge(settings: Settings, changes: Settings) -> None:
    """Apply changes, names of networks first, so that the order within a file does not matter."""
    for key in sorted(changes, key=lambda key: not key.endswith(".name")):
        _set(settings, key, changes[key])


def _set(settings: Settings, key: str, value: tuple[Any, str]) -> None:
    """Set a key. A new name of a network drops the options of the inherited network."""
    section, _, last = key.rpartition(".")
    if last == "name" and settings.get(key, value)[0] != value[0]:
        for other in [name for name in settings if name.startswith(section + ".")]:
            del settings[other]
    for parent in _parents(key):
        settings.pop(parent, None)  # an inherited null (no encoder) gives way to a section
    for below in [name for name in settings if name.startswith(key + ".")]:
        del settings[below]  # an inherited section gives way to a null
    settings[key] = value


def _parents(key: str) -> Iterator[str]:
    parts = key.split(".")
    return (".".join(parts[:i]) for i in range(1, len(parts)))


def read_yaml(path: Path, hint: str) -> dict[str, Any]:
    """The keys and values of one file; none for an empty one.

    Args:
        hint: End of the message if the file is not there.

    Raises:
        ConfigError: If it is missing, too large, or holds something else.
    """
    try:
        if not path.is_file():
            raise ConfigError(f"no config file {path}{hint}")
        if path.stat().st_size > MAX_BYTES:
            raise ConfigError(f"{path} is larger than {MAX_BYTES} bytes, so it is no config file")
        values = _parse_yaml(path.read_text("utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(f"{path} must hold keys and values, got {type(values).__name__}")
    return values


def _hint(path: Path) -> str:
    """Where configs are, and which of them has nearly the name of one that is not there."""
    ours = {_short(file): file for file in sorted(Path("configs").rglob("*.yaml"))}
    near = difflib.get_close_matches(_short(path), ours, n=1, cutoff=0.75)
    same = [name for name, file in ours.items() if file.name == path.name]
    meant = f"; did you mean {ours[(near or same)[0]].as_posix()}?" if near or same else ""
    return f"{meant}; those of this project are in configs/"


def _short(config: Path) -> str:
    """What tells configs of this project apart."""
    return config.as_posix().removeprefix("configs/").removesuffix(".yaml")


def _parse_yaml(text: str, what: str) -> Any:
    try:
        return yaml.load(text, _Loader)  # safe: it is a SafeLoader
    except RecursionError as error:
        raise ConfigError(f"{what} is not valid YAML: it is nested too deeply") from error
    except yaml.MarkedYAMLError as error:
        line = (
            f", line {error.problem_mark.line + 1}" if error.problem_mark and "\n" in text else ""
        )
        problem = ", ".join(part for part in (error.context, error.problem) if part)
        raise ConfigError(f"{what}{line} is not valid YAML: {problem}") from error
    except Exception as error:  # values that do not match their tag fail in many ways
        raise ConfigError(f"{what} is not valid YAML: {' '.join(str(error).split())}") from error


def _parse_override(text: str) -> Iterator[tuple[str, tuple[Any, str]]]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise ConfigError(f"{COMMAND_LINE}: '{text}' is not of the form key=value")
    parsed = _parse_yaml(value, f"{COMMAND_LINE}: value of {key}")
    return flatten({key: parsed}, COMMAND_LINE)
