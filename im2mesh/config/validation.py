"""Settings -> a validated `Config`, with errors that name the file, the key and the way out."""

import difflib
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from im2mesh.config.files import INHERIT_KEY, Settings, flatten, nest, read_settings
from im2mesh.config.schema import Config
from im2mesh.config.sections import ComponentConfig
from im2mesh.config.values import PositiveInt
from im2mesh.errors import ConfigError
from im2mesh.files.atomic import write_text

MAX_SHOWN = 80  # characters of a wrong value in a message
_Size = Annotated[PositiveInt, Field(le=2**16)]
"""A whole number among the options of a network, whose memory and time grow with it."""

ComponentTables = Mapping[str, Mapping[str, Callable]]
"""Key of a network in the config, such as model.decoder -> name of a network -> its class."""


@dataclass(frozen=True)
class Choices:
    """Names that a config may choose from, of things that are defined elsewhere.

    Attributes:
        components: Networks for each key that takes one.
        names: Any other key that takes a name, such as ode.method -> the valid names.
    """

    components: ComponentTables
    names: Mapping[str, Sequence[str]]


RENAMED = {"generation.turns": "generation.copies"}
"""Key of earlier versions -> what it is called now."""

TYPE_NAMES = {
    "int_type": "an integer",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "a string",
    "list_type": "a list",
    "model_type": "a section of keys and values",
}


def load_config(path: str | Path, overrides: Sequence[str] = (), *, choices: Choices) -> Config:
    """Read and check a config file and overrides such as `ode.method=rk4`.

    Args:
        path: Path of the YAML file.
        overrides: Settings `key=value`, with the value in YAML.
        choices: Networks and solvers; the options of networks are checked and completed.

    Raises:
        ConfigError: If a file cannot be read, or any key or value is wrong.
    """
    return validate(read_settings(path, overrides), choices)


def config_from_dict(values: Mapping[str, Any], origin: str, *, choices: Choices) -> Config:
    """Check nested values that come from elsewhere, such as a checkpoint."""
    return validate(dict(flatten(values, origin)), choices)


def dump_config(config: Config) -> str:
    """The whole config, defaults included, as YAML that `load_config` reads."""
    return yaml.safe_dump(config.model_dump(), sort_keys=False)


def write_config(path: Path, config: Config) -> None:
    """Write the whole config, and replace only a file that this function wrote.

    Raises:
        ConfigError: As `refuse_own_config`.
    """
    refuse_own_config(path)
    write_text(path, dump_config(config))


def refuse_own_config(path: Path) -> None:
    """Refuse to replace a config that `write_config` did not write.

    Raises:
        ConfigError: If there is one.
    """
    if path.is_file() and not is_resolved_config(path):
        raise ConfigError(
            f"{path} is in the way: this program writes the resolved config there, and did not "
            "write this file; move it to another folder"
        )


def is_resolved_config(path: Path) -> bool:
    """Whether a file has what `write_config` writes and configs of people have not: every section,
    and no comment."""
    if not path.is_file():
        return False
    lines = path.read_text("utf-8", errors="replace").splitlines()
    sections = {line.partition(":")[0] for line in lines if line[:1].isalpha()}
    has_comments = any(line.lstrip().startswith("#") for line in lines)
    return sections == Config.model_fields.keys() and not has_comments


def validate(settings: Settings, choices: Choices) -> Config:
    """Check every key and value, and complete the options of the named networks."""
    mistakes = list(_unknown_keys(settings, choices.components))
    values = nest(settings)
    if not mistakes:
        mistakes = list(_complete_components(values, settings, choices.components))
        mistakes += _unknown_names(settings, choices.names)
    if not mistakes:
        try:
            return Config.model_validate(values)
        except ValidationError as error:
            mistakes = [_explain(item, (), settings) for item in error.errors()]
    raise ConfigError("\n".join(mistakes))


def options_model(factory: Callable) -> type[BaseModel]:
    """Model of the options of a network in YAML: the keyword-only arguments of its class."""
    parameters = inspect.signature(factory).parameters.values()
    fields: dict[str, Any] = {
        parameter.name: (
            _Size if parameter.annotation == PositiveInt else parameter.annotation,
            ... if parameter.default is parameter.empty else parameter.default,
        )
        for parameter in parameters
        if parameter.kind is parameter.KEYWORD_ONLY
    }
    strict = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
    return create_model(factory.__name__, __config__=strict, **fields)


def json_schema(choices: Choices) -> dict[str, Any]:
    """JSON schema of the config files, for editors."""
    schema = Config.model_json_schema()
    schema["properties"] = {INHERIT_KEY: _paths_schema(), **schema["properties"]}
    schema["required"] = []  # any key may come from the inherited file
    for key, names in choices.names.items():
        section, _, name = key.partition(".")
        field = schema["$defs"][f"{section.capitalize()}Config"]["properties"][name]
        may_be_null = {"type": "null"} in field.get("anyOf", [])
        field["enum"] = [*names, *([None] if may_be_null else [])]
    properties = schema["$defs"]["ModelConfig"]["properties"]
    for key, table in choices.components.items():
        field = properties[key.removeprefix("model.")]
        may_be_null = {"type": "null"} in field.get("anyOf", [])
        networks = [_component_schema(name, factory) for name, factory in table.items()]
        properties[key.removeprefix("model.")] = {
            "description": field.get("description", ""),
            "oneOf": networks + ([{"type": "null"}] if may_be_null else []),
        }
    del schema["$defs"]["ComponentConfig"]
    return schema


def _paths_schema() -> dict[str, Any]:
    return {"oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}


def _component_schema(name: str, factory: Callable) -> dict[str, Any]:
    schema = options_model(factory).model_json_schema()
    schema["properties"] = {"name": {"const": name}, **schema.get("properties", {})}
    return schema


def _unknown_keys(settings: Settings, components: ComponentTables) -> Iterator[str]:
    known = [*_known_keys(Config), *components]
    sections = {key.rsplit(".", i)[0] for key in known for i in range(1, key.count(".") + 1)}
    for key, (_, origin) in settings.items():
        if key in known or key in sections or _component_of(key, components):
            continue
        way_out = (
            f"; it is {RENAMED[key]} now"
            if key in RENAMED
            else _suggest(key, known) or "; --print-config shows all keys"
        )
        yield f"{origin}: unknown key {key}{way_out}"


def _unknown_names(settings: Settings, names: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for key, known in names.items():
        value, origin = settings.get(key, (None, ""))
        if value is not None and value not in known:
            yield f"{origin}: {key} is {_short(value)}; choose one of: {', '.join(known)}"


def _known_keys(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        section = field.annotation
        if inspect.isclass(section) and issubclass(section, BaseModel):
            if section is not ComponentConfig:
                yield from _known_keys(section, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def _component_of(key: str, components: ComponentTables) -> str | None:
    return next((name for name in components if key.startswith(name + ".")), None)


def _suggest(key: str, known: Sequence[str]) -> str:
    """Suggest the most similar key, mostly by its last part: sections are easily confused."""

    def end(name: str) -> str:
        return name.rpartition(".")[2]

    best = max(
        known, key=lambda name: max(_alike(key, name), _alike(end(key), end(name))), default=""
    )
    return f"; did you mean {best}?" if _alike(end(key), end(best)) > 0.6 else ""


def _alike(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, one, other).ratio()


def _complete_components(
    values: dict[str, Any], settings: Settings, components: ComponentTables
) -> Iterator[str]:
    """Fill in the default name and options of each network, in place; yield mistakes."""
    model = values.setdefault("model", {})
    if not isinstance(model, dict):
        return  # a mistake that the schema reports
    for key, table in components.items():
        field = key.removeprefix("model.")
        default = type(Config.model_fields["model"].default).model_fields[field].default
        default = {} if default is None else default.model_dump()
        section = model.get(field, default or None)
        if not isinstance(section, dict):
            continue  # null, or a mistake that the schema reports
        name = section.get("name", default.get("name"))
        if not isinstance(name, str) or name not in table:
            origin = next(where for k, (_, where) in settings.items() if k.startswith(f"{key}."))
            yield f"{origin}: {key}.name is {_short(name)}; choose one of: {', '.join(table)}"
            continue
        options = {option: value for option, value in section.items() if option != "name"}
        try:
            complete = options_model(table[name]).model_validate(options)
        except ValidationError as error:
            names = [f"{key}.{option}" for option in options_model(table[name]).model_fields]
            for item in error.errors():
                yield _explain(item, tuple(key.split(".")), settings, names)
        else:
            model[field] = {"name": name, **complete.model_dump()}


def _explain(
    error: Any, prefix: tuple[str, ...], settings: Settings, known: Sequence[str] = ()
) -> str:
    """Put one error of pydantic into our words."""
    path = [*prefix, *(part for part in error["loc"] if isinstance(part, str))]
    key = ".".join(path)
    found = [where for name, (_, where) in settings.items() if f"{name}.".startswith(f"{key}.")]
    origin = f"{found[0]}: " if found else ""
    value = error["input"]
    if error["type"] == "missing":
        return f"{origin}{key} is not set and has no default; write it into the config"
    if error["type"] == "extra_forbidden":
        return f"{origin}unknown key {key}{_suggest(key, known) or _list_keys(known)}"
    if error["type"] == "literal_error":
        return f"{origin}{key} is {_short(value)}; choose one of: {error['ctx']['expected']}"
    if error["type"] in TYPE_NAMES:
        kind = type(value).__name__
        return f"{origin}{key} must be {TYPE_NAMES[error['type']]}, got {_short(value)} ({kind})"
    message = error["msg"].replace("Input should", "it should").removeprefix("Value error, ")
    return f"{origin}{key} is {_short(value)}; {message}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."


def _list_keys(known: Sequence[str]) -> str:
    return f"; its keys are: {', '.join(known)}" if known else "; it takes no options"
