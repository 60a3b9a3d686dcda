"""Config -> dataset, model, trainer, generator, evaluator: the only file that knows both sides."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch

from im2mesh.config.schema import Config, GenerationConfig
from im2mesh.config.validation import Choices, config_from_dict, json_schema, load_config
from im2mesh.data.dataset import (
    build_training_data,
    build_validation_data,
    build_validation_windows,
)
from im2mesh.data.fingerprint import dataset_fingerprint
from im2mesh.data.layout import Window
from im2mesh.errors import ConfigError, UserError
from im2mesh.evaluation.evaluator import Evaluator
from im2mesh.evaluation.predictions import PredictedMeshes
from im2mesh.files.atomic import write_json
from im2mesh.files.hashes import DIGITS
from im2mesh.generation.fitting.refit import refit
from im2mesh.generation.generator import Generator
from im2mesh.generation.surface import check_generation
from im2mesh.losses.objective import active_terms, check_objective
from im2mesh.machine.ranks import Ranks
from im2mesh.meshing.io import SEQUENCE_FORMATS
from im2mesh.models.copies import refuse_other_copies_of_images
from im2mesh.models.flow.flow import SOLVER_METHODS
from im2mesh.models.sequence_model import SequenceModel
from im2mesh.models.wiring.compatibility import check_parts, check_sizes
from im2mesh.models.wiring.parts import METHODS, PARTS
from im2mesh.models.wiring.wire import wire
from im2mesh.runs.folder import RunFolder
from im2mesh.runs.origins import Notes, ResultOrigin, RunOrigin
from im2mesh.runs.provenance import provenance, run_hash
from im2mesh.runs.snapshots import Snapshot
from im2mesh.runs.trained import TrainedModel, read_trained, refuse_other_input
from im2mesh.runs.weights import check_described, load_weights, weights_digest
from im2mesh.runs.window_summary import read_origins
from im2mesh.training.outlook import warn_of_rough_shapes
from im2mesh.training.trackers.choice import TRACKERS
from im2mesh.training.trainer import Trainer

CHOICES = Choices(
    components={f"model.{part}": networks for part, networks in PARTS.items()},
    names={
        "model.method": list(METHODS),
        "ode.method": SOLVER_METHODS,
        "generation.mesh_format": SEQUENCE_FORMATS,
        "training.tracker": list(TRACKERS),
    },
)


def build_config(path: str | Path, overrides: Sequence[str] = ()) -> Config:
    """The resolved configuration of a config file and overrides `key=value`."""
    return load_config(path, overrides, choices=CHOICES)


def build_model(config: Config) -> SequenceModel:
    """Build a model with fresh weights; seed torch before.

    Here, a configuration is checked as a whole: settings that do not fit together are refused
    before any data is read.

    Raises:
        ConfigError: If parts, observation, losses and the generation of meshes do not fit together.
    """
    try:
        model = _build_networks(config)
        check_generation(model, config.generation)
        return model
    except ValueError as error:
        raise ConfigError(str(error)) from error


def _build_networks(config: Config) -> SequenceModel:
    """Build a model, and check all settings but those of the generation of meshes."""
    check_parts(config)
    model = wire(config)
    check_sizes(model, config.data)
    check_objective(model, config)
    return model


def build_trainer(config: Config, device: torch.device, ranks: Ranks | None = None) -> Trainer:
    """Build a trainer with fresh weights; with several processes, inside their process group."""
    torch.manual_seed(config.training.seed)  # before the weights are drawn
    model = build_model(config)
    if not has_weights(model):
        raise ConfigError(f"{model.method} has no weights to train; run generate.py instead")
    if not active_terms(config.loss):
        raise ConfigError(
            "all weights in section loss are 0; there is nothing to minimise; set "
            "one, such as loss.reconstruction=1.0"
        )
    training_data = build_training_data(config)
    validation = build_validation_windows(config)
    windows = [*training_data.windows, *validation]  # all, though validation may use only some
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
    """Build a generator with trained weights; a method without weights needs no file."""
    model, trained_by = build_model(config), []
    if has_weights(model):
        trained = read_trained(model_file)
        refuse_other_input(trained, config, model_file)
        load_weights(model, trained.model, model_file)
        warn_of_rough_shapes(trained.best_score, model_file)
        trained_by = trained.origins
    return _generator(model, config, device, trained_by)


def has_weights(model: SequenceModel) -> bool:
    """Whether a model has anything to train."""
    return next(model.parameters(), None) is not None


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
    """The origin of numbers that are about to be measured.

    Args:
        windows: Windows on which they are measured.
        predictions: Meshes that are measured, if any.
        generator: Generator whose model itself is measured, if any.

    Raises:
        UserError: If several runs made the meshes, or they were made from other data.
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
    config: Config,
    generator: Generator,
    windows: Sequence[Window],
    seed: int,
    dataset: str = "none",
) -> RunOrigin:
    """The origin of codes or bodies that are about to be made.

    Args:
        windows: Windows from which they are made; none if codes are drawn.
        seed: Seed of this stage.
        dataset: What codes were drawn from, if there are no windows; "none" for N(0, I).
    """
    dataset = dataset_fingerprint(config.data.root, windows) if windows else dataset
    run = run_hash(weights_digest(generator.model), config)
    return RunOrigin(run, provenance(config, dataset, seed), generator.trained_by)


def load_trained(model_file: str | Path, device: torch.device) -> tuple[Config, Generator]:
    """Build a trained model and its config from a checkpoint; no config file is needed."""
    trained = read_trained(model_file)
    config, model = build_described(trained, Path(model_file))
    try:
        check_generation(model, config.generation)
    except ValueError as error:
        raise ConfigError(f"{model_file}: {error}") from error
    return config, _generator(model, config, device, trained.origins)


def load_for_clouds(
    file: Path, config: Config, is_tracked: bool, suiting: str, device: torch.device
) -> tuple[Config, Generator]:
    """The configuration of trained weights for the clouds of a scanner, and a generator with the
    settings of `config`.

    Args:
        is_tracked: Whether row n is the same particle in all clouds.
        suiting: Weights that suit the clouds, to be named where these do not.

    Raises:
        UserError: If the weights do not observe clouds, or need tracked points, and these are not.
    """
    trained, made = load_trained(file, device)
    problem = None
    if trained.data.input != "pointcloud":
        problem = f"observe {trained.data.input or 'nothing'}, and not clouds"
    elif trained.data.input_pointcloud_corresponding and not is_tracked:
        problem = (
            "need tracked points, and row n of these clouds is not the same point in all frames"
        )
    if problem is not None:
        raise UserError(f"these weights {problem}; choose others, such as --weights {suiting}")
    return trained, with_settings(made, config.generation)


def with_settings(made: Generator, settings: GenerationConfig) -> Generator:
    """A generator of the same model with other settings; without a fit to its observations."""
    return Generator(made.model, settings, made.num_frames, made.device, made.trained_by)


def _generator(
    model: SequenceModel, config: Config, device: torch.device, trained_by: Notes
) -> Generator:
    _refuse_impossible_copies(config)
    generator = Generator(model, config.generation, config.data.num_frames, device, trained_by)
    generator.fit = partial(refit, corresponding=config.data.input_pointcloud_corresponding)
    return generator


def _refuse_impossible_copies(config: Config) -> None:
    """Refuse copies of what cannot be turned or mirrored.

    Raises:
        ConfigError: If generation.copies asks for such.
    """
    data, count = config.data, config.generation.copies
    if count == 1 or data.input == "pointcloud":
        return
    if not data.view_cameras:
        raise ConfigError(
            f"generation.copies is {count}, but only clouds can be turned, and images mirrored "
            "whose cameras are known (data.view_cameras); set it to 1"
        )
    refuse_other_copies_of_images(count)


def build_described(content: TrainedModel | Snapshot, path: Path) -> tuple[Config, SequenceModel]:
    """Build the model of a checkpoint or snapshot from the config that the file holds.

    Raises:
        ConfigError: If the config is not one of this project.
        CheckpointError: If the config describes another model than the file holds.
    """
    config = config_from_dict(content.config, str(path), choices=CHOICES)
    check_described(lambda: _build_networks(config), content.model, path)
    model = _build_networks(config)
    load_weights(model, content.model, path)
    return config, model


def write_schema(path: str | Path) -> None:
    """Write the JSON schema of the config files, with which editors complete and check them."""
    write_json(Path(path), json_schema(CHOICES))
