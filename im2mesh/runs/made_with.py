"""Whether meshes were made with the settings that a configuration has now."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from im2mesh.config.effects import Affects, keys_affecting
from im2mesh.config.files import nest, read_settings
from im2mesh.config.schema import Config
from im2mesh.config.validation import RENAMED, is_resolved_config

DECISIVE = (Affects.MESHES, Affects.OBSERVATION, Affects.MODEL)
KEYS = dict.fromkeys(key for effect in DECISIVE for key in keys_affecting(Config, effect))
NOT_MEASURED = ("generation.normals", "ode.gradient")  # they change no position
OF_IMAGES = ("data.num_views", "data.view_cameras", "data.image_size")


def advice_on_settings(made_with: Path, config: Config) -> list[str]:
    """One text that names the settings in which `config` differs from those of the meshes.

    Args:
        made_with: Configuration that generate.py wrote beside its meshes; without it nothing is
            said. A key that it lacks had its default value then.
        config: Configuration of the present command.
    """
    if not is_resolved_config(made_with):
        return []
    recorded = {RENAMED.get(key, key): value for key, value in read_settings(made_with).items()}
    before, default = nest(recorded), Config(output_dir="").model_dump()
    now = config.model_dump()
    ignored = NOT_MEASURED if config.data.input == "images" else NOT_MEASURED + OF_IMAGES
    differing: list[str] = []
    for key in KEYS:
        if key not in ignored:
            section, _, name = key.partition(".")
            made = before.get(section, {}).get(name, default[section][name])
            differing += _differences(key, made, now[section][name])
    if not differing:
        return []
    return [
        f"the meshes in {made_with.parent} were made with {', '.join(differing)}, and are measured "
        "as they are; run generate.py with the settings of this evaluation for others"
    ]


def _differences(key: str, made: Any, now: Any) -> Iterator[str]:
    """Where two values differ; of two networks of one name, option by option."""
    if isinstance(made, dict) and isinstance(now, dict) and made.get("name") == now.get("name"):
        for option in dict.fromkeys([*made, *now]):
            yield from _differences(f"{key}.{option}", made.get(option), now.get(option))
    elif made != now:
        yield f"{key} {_in_yaml(made)} instead of {_in_yaml(now)}"


def _in_yaml(value: Any) -> str:
    """As it is written on a command line."""
    return yaml.safe_dump(value, default_flow_style=True, width=1000).removesuffix("...\n").strip()
