"""Config -> dataset, model, trainer, generator, evaluator: the only file that knows both sides."""

import re
from collections.abc import Sequence
from pathlib import Path

import torch

from im2mesh.checkpoints import Checkpoint, load_checkpoint, load_weights, weights_digest
from im2mesh.config import (
    Choices,
    Config,
    ConfigError,
    config_from_dict,
    load_config,
)
from im2mesh.data.dataset import WindowDataset, spread_windows
from im2mesh.data.fingerprint import dataset_fingerprint
from im2mesh.data.images import choose_views
from im2mesh.data.sequences import Window, read_windows
from im2mesh.described_model import check_described
from im2mesh.errors import UserError
from im2mesh.evaluation import Evaluator
from im2mesh.generation import Generator, run_hash
from im2mesh.mesh_origin import read_origins
from im2mesh.models.flow import METHODS
from im2mesh.models.parts import PARTS
from im2mesh.models.sequence_model import SequenceModel
from im2mesh.models.wiring import wire
from im2mesh.objective import WEIGHTS, check_objective
from im2mesh.origins import Notes, ResultOrigin, RunOrigin
from im2mesh.predictions import PredictedMeshes
from im2mesh.provenance import DIGITS, provenance
from im2mesh.ranks import Ranks
from im2mesh.run_folder import RunFolder
from im2mesh.training import Trainer
from im2mesh.training.snapshots import Snapshot

CHOICES = Choices(
    components={f"model.{part}": networks for part, networks in PARTS.items()},
    ode_methods=METHODS,
)


def build_config(path: str | Path, overrides: Sequence[str] = ()) -> Config:
    """The resolved configuration of a file and overrides."""
    return load_config(path, overrides, choices=CHOICES)


def build_device(name: str, ranks: Ranks | None = None) -> torch.device:
    """`auto` is the GPU of the process where there are GPUs, else the CPU."""
    local_rank = 0 if ranks is None else ranks.local_rank
    if name == "auto" and not torch.cuda.is_available():
        return torch.device("cpu")
    if name == "auto" or (name == "cuda" and local_rank):
        name = f"cuda:{local_rank}"
    if not re.fullmatch(r"cpu|cuda(:\d+)?", name):
        raise UserError(f"--device is '{name}'; choose auto, cpu, cuda or cuda:0")
    device, count = torch.device(name), torch.cuda.device_count()
    if device.type == "cuda" and (device.index or 0) >= count:
        visible = f"cuda:0 to cuda:{count - 1} are" if count else "no CUDA device is"
        raise UserError(f"--device is '{name}', but {visible} visible; choose auto or cpu")
    return device


def build_model(config: Config) -> SequenceModel:
    """A model with fresh weights; seed torch before.

    Raises:
        ConfigError: If the parts, the observation and the losses do not go together.
    """
    try:
        model = wire(config)
        check_objective(model, config)
        return model
    except ValueError as error:
        raise ConfigError(str(error)) from error


def build_windows(
    config: Config, split: str, *, stride: int, clips: Sequence[str] | None = None
) -> list[Window]:
    data = config.data
    return read_windows(
        data.root,
        split,
        num_frames=data.num_frames,
        frame_step=data.frame_step,
        stride=stride,
        skip_frames=data.skip_frames,
        categories=data.categories,
        clips=clips,
    )


def build_training_data(config: Config) -> WindowDataset:
    windows = build_windows(config, config.data.train_split, stride=config.data.stride)
    if config.data.input is None and len(windows) > 1:
        raise ConfigError(
            f"without an input a model holds one window, but split '{config.data.train_split}' has "
            f"{len(windows)}: {windows[0]}, {windows[1]}, ...; raise data.stride or data.num_frames"
        )
    if config.data.input == "images":
        for window in {(w.category, w.clip): w for w in windows}.values():
            choose_views(config.data.root, window, config.data.num_views)  # now, not hours later
    return WindowDataset(
        windows,
        config.data,
        seed=config.training.seed,
        shuffle=True,
        num_points=config.data.num_points,
    )


def build_validation_data(config: Config, windows: Sequence[Window]) -> WindowDataset:
    """Of the windows of the validation split, as many as the config uses."""
    return WindowDataset(
        spread_windows(windows, config.validation.max_windows),
        config.data.model_copy(update={"near_surface_fraction": 0.0}),
        seed=config.training.seed,
        shuffle=False,
        num_points=config.validation.num_points,
    )


def build_trainer(config: Config, device: torch.device, ranks: Ranks | None = None) -> Trainer:
    """A trainer with fresh weights; of several processes, in a process group."""
    torch.manual_seed(config.training.seed)  # before the weights are drawn
    model = build_model(config)
    if not has_weights(model):
        raise ConfigError(f"{model.method} has no weights to train; run generate.py at once")
    if not any(getattr(config.loss, name) for name in WEIGHTS):
        raise ConfigError(
            "all weights in section loss are 0; there is nothing to minimise; set "
            "one, such as loss.reconstruction=1.0"
        )
    training_data = build_training_data(config)
    validation = build_windows(config, config.data.val_split, stride=config.data.eval_stride)
    windows = [*training_data.windows, *validation]  # however many of these are used
    dataset = dataset_fingerprint(config.data.root, windows)
    return Trainer(
        model.to(device),
        training_data,
        build_validation_data(config, validation),
        config,
        RunFolder.of(config),
        provenance(config, dataset, config.training.seed),
        ranks,
    )


def build_generator(config: Config, model_file: str | Path, device: torch.device) -> Generator:
    """A generator with trained weights; a method without weights needs no file."""
    model, trained_by = build_model(config), []
    if has_weights(model):
        checkpoint = load_checkpoint(model_file)
        _check_same(checkpoint, config, model_file)
        load_weights(model, checkpoint.model, model_file)
        trained_by = checkpoint.origins
    return _make_generator(config, model, device, trained_by)


def has_weights(model: SequenceModel) -> bool:
    """Whether there is anything to train."""
    return next(model.parameters(), None) is not None


def _check_same(checkpoint: Checkpoint, config: Config, model_file: str | Path) -> None:
    """What decides the meaning of the weights, beside their names and shapes."""
    now = config.model_dump()
    for section, key in (("model", "method"), ("data", "num_frames"), ("data", "input")):
        trained, asked = checkpoint.config[section].get(key), now[section][key]
        if trained != asked:
            raise ConfigError(
                f"{model_file} was trained with {section}.{key} {trained}, the config says "
                f"{asked}; use the config it was trained with"
            )


def build_evaluator(config: Config) -> Evaluator:
    settings = config.evaluation
    return Evaluator(
        config.data.root,
        settings.num_samples,
        settings.project_to_final_mesh,
        settings.correspondence,
        settings.frames,
        settings.seed,
    )


def build_origin(
    config: Config,
    windows: Sequence[Window],
    *,
    predictions: PredictedMeshes | None = None,
    generator: Generator | None = None,
) -> ResultOrigin:
    """What will have made measured numbers.

    Args:
        windows: Where they are measured.
        predictions: The meshes that are measured, if any.
        generator: Holds the model that is asked, if any.

    Raises:
        UserError: If the meshes are of several runs, or of other data.
    """
    root, meshes_by, files = config.data.root, [], None
    if predictions is not None:
        meshes_by = read_origins(predictions.folder, root, windows)
        files = None if meshes_by else predictions.hash(windows)
    return ResultOrigin(
        provenance(config, dataset_fingerprint(root, windows), config.evaluation.seed),
        meshes_by,
        files,
        None if generator is None else weights_digest(generator.model)[:DIGITS],
        () if generator is None else generator.trained_by,
    )


def build_run_origin(
    config: Config, generator: Generator, windows: Sequence[Window], seed: int
) -> RunOrigin:
    """What will have made codes or bodies.

    Args:
        windows: What they are made of; none for what is drawn from the prior.
        seed: In use while they are made.
    """
    dataset = dataset_fingerprint(config.data.root, windows) if windows else "none"
    run = run_hash(weights_digest(generator.model), config)
    return RunOrigin(run, provenance(config, dataset, seed), generator.trained_by)


def load_trained(model_file: str | Path, device: torch.device) -> tuple[Config, Generator]:
    """A trained model as its checkpoint describes it; no config file is needed."""
    checkpoint = load_checkpoint(model_file)
    config, model = build_described(checkpoint, Path(model_file))
    try:
        return config, _make_generator(config, model, device, checkpoint.origins)
    except ConfigError as error:
        raise ConfigError(f"{model_file}: {error}") from error


def build_described(content: Checkpoint | Snapshot, path: Path) -> tuple[Config, SequenceModel]:
    """The model of a file, as its own config describes it.

    Raises:
        ConfigError: If the config is none of this project.
        CheckpointError: If it describes another model than the file holds.
    """
    config = config_from_dict(content.config, str(path), choices=CHOICES)
    check_described(lambda: build_model(config), content.model, path)
    model = build_model(config)
    load_weights(model, content.model, path)
    return config, model


def _make_generator(
    config: Config, model: SequenceModel, device: torch.device, trained_by: Notes
) -> Generator:
    try:
        return Generator(model, config.generation, config.data.num_frames, device, trained_by)
    except ValueError as error:
        raise ConfigError(str(error)) from error
