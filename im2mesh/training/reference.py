"""The validation score of weights that ship, for a training that could have made them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from im2mesh.config.effects import Affects, keys_affecting
from im2mesh.config.schema import Config, DataConfig, ValidationConfig
from im2mesh.pretrained.shipped import find_weights, shipped_names
from im2mesh.runs.folder import RunFolder
from im2mesh.runs.trained import read_trained

EFFECTS = (Affects.WINDOWS, Affects.OBSERVATION)
"""Of keys of the data on which scores of a validation depend."""


@dataclass(frozen=True)
class Reference:
    """A level that a curve may reach.

    Attributes:
        name: Whose it is.
        scores: Name of a score of the validation -> its value.
    """

    name: str
    scores: dict[str, float]


def find_reference(config: Config, dataset: str) -> Reference | None:
    """The IoU of the shipped weights that have the name of the run, such as `local` for
    configs/benchmark/local.yaml.

    None without such weights, and where the two numbers would not compare: those weights must have
    been validated on the same data, with the same settings. It is the one number that the file
    of the weights keeps of its training, so it becomes a level line.

    Args:
        config: Configuration of the run.
        dataset: Fingerprint of its data.
    """
    name = RunFolder.of(config).path.name
    if name not in shipped_names():
        return None
    shipped = read_trained(find_weights(name))
    is_same_data = bool(shipped.origins) and shipped.origins[-1].get("dataset") == dataset
    if not is_same_data or _validates_as(config) != _validated_as(shipped.config):
        return None
    if shipped.best_score <= 0:
        return None  # scores of other kinds than the IoU are negative
    return Reference(f"shipped_{name}", {"iou": shipped.best_score})


def _validates_as(config: Config) -> list[Any]:
    """The settings on which the scores of a validation depend."""
    return _settings(config.validation, config.data)


def _validated_as(stored: Mapping[str, Any]) -> list[Any]:
    """The same of stored weights: a setting that is younger than they are has its default."""
    validation = ValidationConfig.model_validate(stored["validation"])
    return _settings(validation, DataConfig.model_validate(stored["data"]))


def _settings(validation: ValidationConfig, data: DataConfig) -> list[Any]:
    keys = {key for effect in EFFECTS for key in keys_affecting(DataConfig, effect)}
    return [validation, *(getattr(data, key) for key in sorted(keys))]
