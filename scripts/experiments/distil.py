"""Teach encoders of images the codes of a model of clouds, and write the weights.

The configuration observes images with cameras, and has the decoder and the velocity field of the
teacher, which may also read pixels (pixel_aligned). They are turned to the axes of the camera, and
do not learn. The data hold images and clouds (make_bodies.py --benchmark images). With --networks,
the layers that see images are those of other weights at first.
Example: python -m scripts.experiments.distil configs/benchmark/images_oflow.yaml \\
             --teacher oflow_w_correspond --networks images_pixels --output out/taught.safetensors
Then: python generate.py configs/benchmark/images_oflow.yaml --weights out/taught.safetensors
A training can start from them, too (training.start_from).
"""

import argparse
import sys
from collections import deque
from collections.abc import Sequence
from statistics import fmean
from typing import Any

import torch

from im2mesh.build import build_config, build_model, load_trained
from im2mesh.command_line import (
    config_parser,
    exit_status,
    parse_with_overrides,
    path_ending_in,
)
from im2mesh.config.schema import Config
from im2mesh.config.validation import dump_config
from im2mesh.data.dataset import (
    build_training_data,
    build_validation_data,
    build_validation_windows,
    build_windows,
)
from im2mesh.data.fingerprint import dataset_fingerprint
from im2mesh.errors import UserError
from im2mesh.generation.latent.coded_body import CODE_NAMES
from im2mesh.machine.processes import Processes
from im2mesh.machine.ranks import Ranks
from im2mesh.models.sequence_model import SequenceModel
from im2mesh.pretrained.shipped import ENDING, find_weights
from im2mesh.runs.provenance import provenance
from im2mesh.runs.trained import TrainedModel, read_trained, write_weights
from im2mesh.training.batches import training_batches, validation_batches
from im2mesh.training.distillation import (
    Lesson,
    Teacher,
    camera_of_upright,
    image_networks,
    take_over,
    teach,
    turn_networks,
)
from im2mesh.training.validation import ValidationScores, validate

WARM_UP = 50
"""Steps in which the learning rate rises."""


def main(arguments: Sequence[str]) -> None:
    parser = config_parser(__doc__, "python -m scripts.experiments.distil")
    parser.add_argument("--teacher", default="oflow_w_correspond", help="weights of a cloud model")
    parser.add_argument("--networks", help="weights whose layers for images are taken at first")
    parser.add_argument("--iterations", type=int, default=5500, help="steps (default 5500)")
    parser.add_argument("--learning-rate", type=float, default=1e-3, help="(default 0.001)")
    parser.add_argument("--output", type=path_ending_in(ENDING), required=True)
    args = parse_with_overrides(parser, arguments)
    config = build_config(args.config, args.overrides)
    if args.print_config:
        return print(dump_config(config), end="")
    _refuse_what_cannot_begin(args)
    teacher_config, generator = load_trained(find_weights(args.teacher), torch.device("cpu"))
    _refuse_what_cannot_be_taught(config, teacher_config, args.teacher)
    lessons = _for_lessons(config, teacher_config, args)
    to_camera = _camera(lessons)
    teacher = Teacher(generator.model, to_camera, teacher_config.data.input_noise)
    torch.manual_seed(config.training.seed)
    pupil = build_model(config)
    take_over(pupil, turn_networks(teacher.model.state_dict(), to_camera), args.teacher)
    notes = [*generator.trained_by]
    if args.networks:
        other = read_trained(find_weights(args.networks))
        take_over(pupil, image_networks(other.model), args.networks)
        notes += other.origins
    batches = training_batches(build_training_data(lessons), lessons.training)
    are_trained = args.networks is not None
    taught = teach(pupil, teacher, batches, lessons.training, networks_are_trained=are_trained)
    last = deque[Lesson](taught, maxlen=max(1, args.iterations // 20))
    scores = _validate(config, pupil)
    notes.append(_note_of(lessons))
    args.output.parent.mkdir(parents=True, exist_ok=True)
    values = config.model_dump(mode="json")
    write_weights(args.output, TrainedModel(values, pupil.state_dict(), notes, scores.score))
    shape, motion = (1 - fmean(getattr(lesson, what) for lesson in last) for what in CODE_NAMES)
    print(
        f"{args.output}: encoders that say {shape:.3f} of the variance of shape codes, and "
        f"{motion:.3f} of that of motion codes; validation {scores}"
    )


def _refuse_what_cannot_begin(args: argparse.Namespace) -> None:
    if args.output.exists():
        raise UserError(f"{args.output} exists; choose another --output, or move it away")
    if args.iterations < 1:
        raise UserError(f"--iterations is {args.iterations}; it must be at least 1")
    if not args.learning_rate > 0:
        raise UserError(f"--learning-rate is {args.learning_rate}; it must be above 0")


def _for_lessons(config: Config, teacher: Config, args: argparse.Namespace) -> Config:
    """The configuration of the lessons: no labelled points, clouds as the teacher knows them."""
    training = {
        "max_iterations": args.iterations,
        "learning_rate": args.learning_rate,
        "schedule": "cosine",
        "warmup_iterations": WARM_UP,
    }
    data = {"num_points": 1, "num_correspondence_points": teacher.data.num_input_points}
    return config.model_copy(
        update={
            "data": config.data.model_copy(update=data),
            "training": config.training.model_copy(update=training),
        }
    )


def _refuse_what_cannot_be_taught(config: Config, teacher: Config, name: str) -> None:
    if config.data.input != "images" or not config.data.view_cameras:
        raise UserError("the configuration must observe images with cameras (data.view_cameras)")
    if teacher.data.input != "pointcloud" or not teacher.data.input_pointcloud_corresponding:
        raise UserError(f"{name} does not observe clouds of points that correspond; choose another")
    if teacher.data.num_frames != config.data.num_frames:
        raise UserError(
            f"{name} knows windows of {teacher.data.num_frames} frames; set data.num_frames to that"
        )


def _camera(config: Config) -> torch.Tensor:
    """The matrix from upright axes to the camera, of the first batch as it is stored."""
    stored = config.data.model_copy(update={"augment": False})
    data = build_training_data(config.model_copy(update={"data": stored}))
    return camera_of_upright(next(training_batches(data, config.training)))


def _validate(config: Config, pupil: SequenceModel) -> ValidationScores:
    """Score the pupil as a training would."""
    data = build_validation_data(config, build_validation_windows(config))
    return validate(
        pupil,
        validation_batches(data, config.training.batch_size, Ranks()),
        Processes(Ranks()),
        threshold=config.validation.threshold,
        last_frame_only=config.evaluation.frames == "last",
    )


def _note_of(lessons: Config) -> dict[str, Any]:
    """What is noted of the lessons among the trainings that made the weights."""
    windows = build_windows(lessons, lessons.data.train_split, stride=lessons.data.stride)
    dataset = dataset_fingerprint(lessons.data.root, windows)
    made_by = provenance(lessons, dataset, lessons.training.seed)
    return {**made_by.as_dict(), "since": 0}


if __name__ == "__main__":
    sys.exit(exit_status(main))
