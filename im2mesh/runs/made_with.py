"""Whether meshes were made with the settings that a configuration has now."""

from pathlib import Path

from im2mesh.config.effects import Affects, keys_affecting
from im2mesh.config.files import flatten, read_settings
from im2mesh.config.schema import Config

DECISIVE = (Affects.MESHES, Affects.OBSERVATION, Affects.MODEL)
DECISIVE_KEYS = {key for effect in DECISIVE for key in keys_affecting(Config, effect)}


def advice_on_settings(made_with: Path, config: Config) -> list[str]:
    """One text that names the settings in which `config` differs from those of the meshes.

    Args:
        made_with: Configuration that generate.py wrote beside its meshes. Without it nothing is
            said, nor of keys that it lacks because its version had none of them.
        config: Configuration of the present command.
    """
    if not made_with.is_file():
        return []
    recorded = {key: value for key, (value, _) in read_settings(made_with).items()}
    now = dict(flatten(config.model_dump(), ""))
    differing = [
        f"{key} {recorded[key]} instead of {now[key][0]}"
        for key in recorded
        if _decides_meshes(key) and key in now and recorded[key] != now[key][0]
    ]
    if not differing:
        return []
    return [
        f"the meshes in {made_with.parent} were made with {', '.join(differing)}, and are measured "
        "as they are; run generate.py with the settings of this evaluation for others"
    ]


def _decides_meshes(key: str) -> bool:
    """Also for an option of a network, such as model.decoder.hidden_size."""
    return key in DECISIVE_KEYS or key.rpartition(".")[0] in DECISIVE_KEYS
