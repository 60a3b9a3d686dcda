"""Teach encoders of images the codes of a model of clouds; a training can start from the result.

The configuration observes images with cameras, and has the decoder and the velocity field of the
teacher; they are turned to the axes of the camera and do not learn. The data hold images and clouds
(make_bodies.py --benchmark images). With --networks, the layers that see images are those of other
weights at first.
Example: python -m scripts.experiments.distil configs/benchmark/images_oflow.yaml \\
             --teacher oflow_w_correspond --networks images_pixels --output out/start.safetensors
Then: python train.py configs/benchmark/images_oflow.yaml training.start_from=out/start.safetensors
"""

import sys
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean

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
from im2mesh.data.batch import Batch
from im2mesh.data.dataset import build_training_data
from im2mesh.errors import UserError
from im2mesh.generation.latent.coded_body import CODE_NAMES
from im2mesh.machine.ranks import Ranks
from im2mesh.models.sequence_model import SequenceModel
from im2mesh.pretrained.shipped import ENDING, find_weights
from im2mesh.runs.trained import TrainedModel, read_trained, write_weights
from im2mesh.training.batches import training_batches
from im2mesh.training.distillation import (
    Lesson,
    camera_of_upright,
    image_networks,
    take_over,
    teach,
    turn_networks,
)

POINTS = 300
"""Points of a cloud that the teacher sees."""


def main(arguments: Sequence[str]) -> None:
    parser = config_parser(__doc__, "python -m scripts.experiments.distil")
    parser.add_argument("--teacher", default="oflow_w_correspond", help="weights of a cloud model")
    parser.add_argument("--networks", help="weights whose layers for images are taken at first")
    parser.add_argument("--iterations", type=int, default=2500, help="steps (default 2500)")
    parser.add_argument("--learning-rate", type=float, default=1e-3, help="(default 0.001)")
    parser.add_argument("--output", type=path_ending_in(ENDING), required=True)
    args = parse_with_overrides(parser, arguments)
    config = build_config(args.config, [*args.overrides, *_asked(args.iterations)])
    if args.print_config:
        return print(dump_config(config), end="")
    if args.output.exists():
        raise UserError(f"{args.output} exists; choose another --output, or move it away")
    teacher_config, generator = load_trained(find_weights(args.teacher), torch.device("cpu"))
    _refuse_what_cannot_be_taught(config, teacher_config, args.teacher)
    torch.manual_seed(config.training.seed)
    pupil = build_model(config)
    turned = turn_networks(generator.model.state_dict(), _camera(config))
    take_over(pupil, turned, args.teacher)
    if args.networks:
        networks = image_networks(read_trained(find_weights(args.networks)).model)
        take_over(pupil, networks, args.networks)
    batches = _batches(config)
    lessons = teach(pupil, generator.model, batches, args.iterations, args.learning_rate)
    last = deque[Lesson](lessons, maxlen=max(1, args.iterations // 20))
    _write(args.output, config, pupil, read_trained(find_weights(args.teacher)))
    shape, motion = (1 - fmean(getattr(lesson, what) for lesson in last) for what in CODE_NAMES)
    print(
        f"{args.output}: encoders that say {shape:.3f} of the variance of shape codes, and "
        f"{motion:.3f} of that of motion codes"
    )


def _asked(iterations: int) -> list[str]:
    """Settings of the lessons: no labelled points, and clouds as the teacher knows them."""
    return [
        f"training.max_iterations={iterations}",
        "data.num_points=1",
        f"data.num_correspondence_points={POINTS}",
    ]


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
    return camera_of_upright(next(_batches(config.model_copy(update={"data": stored}))))


def _batches(config: Config) -> Iterator[Batch]:
    data = build_training_data(config)
    return training_batches(data, config.training, Ranks(), 0, pin_memory=False)


def _write(path: Path, config: Config, pupil: SequenceModel, teacher: TrainedModel) -> None:
    """Write the pupil, with the notes of its teacher's training."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = config.model_dump(mode="json")
    write_weights(path, TrainedModel(values, pupil.state_dict(), teacher.origins, 0.0))


if __name__ == "__main__":
    sys.exit(exit_status(main))
