"""Config -> dataset, model, trainer, generator, evaluator: the only file that knows both sides."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from torch import nn

from im2mesh.checkpoints import Checkpoint, load_checkpoint, load_weights
from im2mesh.config import (
    Choices,
    ComponentConfig,
    Config,
    ConfigError,
    config_from_dict,
    load_config,
)
from im2mesh.data.dataset import WindowDataset, spread_windows
from im2mesh.data.sequences import Window, read_windows
from im2mesh.errors import UserError
from im2mesh.evaluation import Evaluator
from im2mesh.generation import Generator
from im2mesh.models.decoders import DECODERS
from im2mesh.models.encoders import ENCODERS
from im2mesh.models.flow import METHODS, Flow
from im2mesh.models.occupancy_flow import OccupancyFlow
from im2mesh.models.velocity_fields import VELOCITY_FIELDS
from im2mesh.run_folder import RunFolder
from im2mesh.training import Trainer

CHOICES = Choices(
    components={
        "model.encoder": ENCODERS,
        "model.encoder_temporal": ENCODERS,
        "model.decoder": DECODERS,
        "model.velocity_field": VELOCITY_FIELDS,
    },
    ode_methods=METHODS,
)


def build_config(path: str | Path, overrides: Sequence[str] = ()) -> Config:
    """The resolved configuration of a file and overrides."""
    return load_config(path, overrides, choices=CHOICES)


def build_device(name: str) -> torch.device:
    """`auto` is the first GPU where there is one, else the CPU."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UserError(f"--device is '{name}'; choose auto, cpu, cuda or cuda:0") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UserError(
            f"--device is '{name}', but {torch.cuda.device_count()} CUDA devices are visible"
        )
    return device


def build_model(config: Config) -> OccupancyFlow:
    """A model with fresh weights; seed torch before.

    Raises:
        ConfigError: If the parts do not go together.
    """
    try:
        return _wire(config)
    except ValueError as error:
        raise ConfigError(str(error)) from error


def _wire(config: Config) -> OccupancyFlow:
    code_size = config.model.code_size
    shape_size = code_size if config.model.encoder else 0
    motion_size = code_size if config.model.encoder_temporal else 0
    num_frames = config.data.num_frames
    latent_size = 0
    parts = config.model
    encoder = parts.encoder and _make(ENCODERS, parts.encoder, 1, code_size)
    encoder_temporal = parts.encoder_temporal and _make(
        ENCODERS, parts.encoder_temporal, num_frames, code_size
    )
    decoder = _make(DECODERS, parts.decoder, shape_size, latent_size)
    field = _make(VELOCITY_FIELDS, parts.velocity_field, motion_size, latent_size)
    return OccupancyFlow(encoder, encoder_temporal, decoder, Flow(field, config.ode))


def _make(table: Mapping[str, Callable], component: ComponentConfig, *wiring: int) -> nn.Module:
    return table[component.name](*wiring, **component.options)


def build_windows(
    config: Config, split: str, *, stride: int, clips: Sequence[str] | None = None
) -> list[Window]:
    data = config.data
    return read_windows(
        data.root,
        split,
        num_frames=data.num_frames,
        stride=stride,
        skip_frames=data.skip_frames,
        categories=data.categories,
        clips=clips,
    )


def build_training_data(config: Config) -> WindowDataset:
    return WindowDataset(
        build_windows(config, config.data.train_split, stride=config.data.stride),
        config.data,
        seed=config.training.seed,
        shuffle=True,
        num_points=config.data.num_points,
    )


def build_validation_data(config: Config) -> WindowDataset:
    windows = build_windows(config, config.data.val_split, stride=config.data.eval_stride)
    return WindowDataset(
        spread_windows(windows, config.validation.max_windows),
        config.data.model_copy(update={"near_surface_fraction": 0.0}),
        seed=config.training.seed + 1,
        shuffle=False,
        num_points=config.validation.num_points,
    )


def build_trainer(config: Config, device: torch.device) -> Trainer:
    torch.manual_seed(config.training.seed)  # before the weights are drawn
    return Trainer(
        build_model(config).to(device),
        build_training_data(config),
        build_validation_data(config),
        config,
        RunFolder.of(config),
    )


def build_generator(config: Config, model_file: str | Path, device: torch.device) -> Generator:
    """A generator with trained weights."""
    return _make_generator(config, load_checkpoint(model_file), model_file, device)


def build_evaluator(config: Config) -> Evaluator:
    settings = config.evaluation
    return Evaluator(
        config.data.root, settings.num_samples, settings.project_to_final_mesh, settings.seed
    )


def load_trained(model_file: str | Path, device: torch.device) -> tuple[Config, Generator]:
    """A trained model as its checkpoint describes it; no config file is needed."""
    checkpoint = load_checkpoint(model_file)
    config = config_from_dict(checkpoint.config, str(model_file), choices=CHOICES)
    return config, _make_generator(config, checkpoint, model_file, device)


def _make_generator(
    config: Config, checkpoint: Checkpoint, origin: str | Path, device: torch.device
) -> Generator:
    model = build_model(config)
    load_weights(model, checkpoint.model, origin)
    return Generator(model.to(device), config.generation)
