"""Teach encoders of images the codes of a model of clouds, and write the weights.

The configuration observes images with cameras, and has the decoder and the velocity field of the
teacher, which may also read pixels (pixel_aligned). They are turned to the axes of the camera, and
do not learn. The data hold images and clouds (make_bodies.py --benchmark images). With --networks,
the layers that see images are those of other weights at first; with training.start_from, all of the
encoders are those of weights of the same model.
Example: python -m scripts.experiments.distil configs/benchmark/images_oflow.yaml \\
             --teacher oflow_w_correspond --networks images_pixels --output out/taught.safetensors
Then: python generate.py configs/benchmark/images_oflow.yaml --weights out/taught.safetensors
A training can start from them, too (training.start_from). The lessons save their state beside the
output; after an end before their time, the same command goes on from there.
"""

import argparse
import sys
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

import torch
from tqdm import tqdm

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
from im2mesh.runs.provenance import Provenance, provenance
from im2mesh.runs.trained import TrainedModel, read_trained, write_weights
from im2mesh.training.batches import training_batches, validation_batches
from im2mesh.training.distillation import (
    camera_of_upright,
    image_networks,
    take_over,
    turn_networks,
)
from im2mesh.training.lessons import Lesson, Lessons, Teacher
from im2mesh.training.start import load_first_weights, read_first_weights
from im2mesh.training.stopping import StopRequest, stop_on_signal
from im2mesh.training.validation import ValidationScores, validate

WARM_UP = 50
"""Steps in which the learning rate rises."""
UNFINISHED = ".unfinished.pt"
"""Ending of the file beside the output that holds the state of lessons on their way."""


def main(arguments: Sequence[str]) -> None:
    parser = config_parser(__doc__, "python -m scripts.experiments.distil")
    parser.add_argument("--teacher", default="oflow_w_correspond", help="weights of a cloud model")
    parser.add_argument(
        "--networks",
        help="weights whose layers for images are taken at first, also over training.start_from",
    )
    parser.add_argument("--iterations", type=int, default=5500, help="steps (default 5500)")
    parser.add_argument("--learning-rate", type=float, default=1e-3, help="(default 0.001)")
    parser.add_argument("--output", type=path_ending_in(ENDING), required=True)
    args = parse_with_overrides(parser, arguments)
    config = build_config(args.config, args.overrides)
    if args.print_config:
        return print(dump_config(config), end="")
    unfinished = args.output.with_suffix(UNFINISHED)
    _refuse_what_cannot_begin(args, unfinished)
    lessons = _build_lessons(config, args)
    if unfinished.exists():
        lessons.resume(unfinished)
        print(f"resuming {unfinished} at step {lessons.iteration}")
    if args.output.exists():  # the command ended between writing it and removing the state
        if lessons.iteration < args.iterations:
            raise UserError(f"{args.output} exists, but its lessons are not done; move it away")
        unfinished.unlink()
        return print(f"the lessons are done: {args.output}")
    with stop_on_signal() as stop:
        last = _teach(lessons, unfinished, stop)
    if stop.requested:
        return print(f"saved {unfinished} at step {lessons.iteration}; the same command goes on")
    scores = _validate(config, lessons.pupil)
    values, weights = config.model_dump(mode="json"), lessons.pupil.state_dict()
    write_weights(args.output, TrainedModel(values, weights, lessons.notes, scores.score))
    unfinished.unlink()
    print(f"{args.output}: {_told(last)}validation {scores}")


def _build_lessons(config: Config, args: argparse.Namespace) -> Lessons:
    """The pupil as it begins, its teacher, and the notes of what made both."""
    teacher_config, generator = load_trained(find_weights(args.teacher), torch.device("cpu"))
    _refuse_what_cannot_be_taught(config, teacher_config, args.teacher)
    settings = _for_lessons(config, teacher_config, args)
    to_camera = _camera(settings)
    teacher = Teacher(generator.model, to_camera, teacher_config.data.input_noise)
    torch.manual_seed(config.training.seed)
    pupil = build_model(config)
    before = [*load_first_weights(pupil, read_first_weights(config), config)]
    take_over(pupil, turn_networks(teacher.model.state_dict(), to_camera), args.teacher)
    before += [note for note in generator.trained_by if note not in before]
    if args.networks:
        other = read_trained(find_weights(args.networks))
        take_over(pupil, image_networks(other.model), args.networks)
        before += [note for note in other.origins if note not in before]
    are_trained = args.networks is not None or config.training.start_from is not None
    return Lessons(
        pupil,
        teacher,
        settings,
        networks_are_trained=are_trained,
        before=before,
        origin=_origin(settings),
    )


def _teach(lessons: Lessons, unfinished: Path, stop: StopRequest) -> Sequence[Lesson]:
    """Teach until the last step or the request to stop, and save on the way.

    Returns:
        The last lessons of this call, at most a twentieth of all.
    """
    settings = lessons.config.training
    unfinished.parent.mkdir(parents=True, exist_ok=True)
    begin, end = lessons.iteration, settings.max_iterations
    batches = training_batches(build_training_data(lessons.config), settings, iteration=begin)
    last = deque[Lesson](maxlen=max(1, end // 20))
    for batch in tqdm(batches, "teach", end, initial=begin, unit="step"):
        last.append(lessons.step(batch))
        if stop.requested or lessons.iteration % settings.save_every == 0:
            lessons.save(unfinished)
        if stop.requested:
            return last
    lessons.save(unfinished)  # so that a failure of what follows costs nothing
    return last


def _told(last: Sequence[Lesson]) -> str:
    """How well the codes were said in the last lessons of this call, if it gave any."""
    if not last:
        return ""
    shape, motion = (1 - fmean(getattr(lesson, what) for lesson in last) for what in CODE_NAMES)
    return (
        f"encoders that say {shape:.3f} of the variance of shape codes, and {motion:.3f} of that "
        f"of motion codes ({len(last)} steps); "
    )


def _refuse_what_cannot_begin(args: argparse.Namespace, unfinished: Path) -> None:
    if args.output.exists() and not unfinished.exists():
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


def _origin(settings: Config) -> Provenance:
    """What makes the lessons."""
    windows = build_windows(settings, settings.data.train_split, stride=settings.data.stride)
    dataset = dataset_fingerprint(settings.data.root, windows)
    return provenance(settings, dataset, settings.training.seed)


if __name__ == "__main__":
    sys.exit(exit_status(main))
