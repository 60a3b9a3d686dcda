"""Configuration: what can be set, read from YAML and the command line, strictly."""

from im2mesh.config.files import ConfigError
from im2mesh.config.schema import (
    ComponentConfig,
    Config,
    DataConfig,
    EvaluationConfig,
    GenerationConfig,
    LossConfig,
    MeshFormat,
    ModelConfig,
    NonNegativeFloat,
    OdeConfig,
    PositiveInt,
    TrainingConfig,
    ValidationConfig,
)
from im2mesh.config.validation import (
    Choices,
    config_from_dict,
    dump_config,
    json_schema,
    load_config,
)

__all__ = [
    "Choices",
    "ComponentConfig",
    "Config",
    "ConfigError",
    "DataConfig",
    "EvaluationConfig",
    "GenerationConfig",
    "LossConfig",
    "MeshFormat",
    "ModelConfig",
    "NonNegativeFloat",
    "OdeConfig",
    "PositiveInt",
    "TrainingConfig",
    "ValidationConfig",
    "config_from_dict",
    "dump_config",
    "json_schema",
    "load_config",
]
