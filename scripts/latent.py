"""Work with the latent codes of a trained model.

All commands also work with models with encoders, if their codes are vectors.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from im2mesh.build import (
    build_config,
    build_evaluator,
    build_generator,
    build_origin,
    build_run_origin,
)
from im2mesh.command_line import (
    add_body_output,
    add_checkpoint,
    add_device,
    add_split,
    chosen_weights,
    config_parser,
    exit_status,
    parse_with_overrides,
    path_ending_in,
    run_command,
)
from im2mesh.config.schema import Config
from im2mesh.config.validation import dump_config
from im2mesh.data.dataset import build_windows
from im2mesh.data.layout import Window
from im2mesh.data.windows import find_window
from im2mesh.errors import UserError
from im2mesh.files.results import (
    refuse_other_picture,
    refuse_other_results,
    replacing_results,
)
from im2mesh.generation.generator import Generator
from im2mesh.generation.latent.bodies import encode_body, interpolate, transfer_motions
from im2mesh.generation.latent.code_table import encode_windows
from im2mesh.generation.latent.coded_body import CODE_NAMES, CodedBody
from im2mesh.generation.latent.files import Draw, result_name, transfer_name, write_bodies
from im2mesh.generation.latent.learning import PriorBudget, encode_training, learn_prior
from im2mesh.generation.latent.source import TEMPERATURE, Source
from im2mesh.machine.devices import build_device
from im2mesh.pretrained.shipped import ENDING, find_prior
from im2mesh.runs.folder import RunFolder
from im2mesh.runs.origins import RunOrigin
from im2mesh.runs.priors import LearnedPrior, read_prior, write_prior
from im2mesh.runs.weights import weights_digest
from im2mesh.studies.generative.picture import PICTURE
from im2mesh.studies.generative.study import Subject, draw_transfers, measure_generative
from im2mesh.studies.generative.transfer import find_pairs
from im2mesh.studies.window_study import WindowStudy, format_study, write_study
from im2mesh.visualization.motion_sheet import draw_grid, draw_motions
from im2mesh.visualization.options import add_cell_height, add_sheet_size

AddOptions = Callable[[argparse.ArgumentParser], None]
WHERE = {"required": True, "metavar": "CLIP/START"}


def main(arguments: Sequence[str]) -> None:
    commands = {
        "encode": encode_command,
        "prior": prior_command,
        "interpolate": interpolate_command,
        "transfer": transfer_command,
        "sample": sample_command,
        "measure": measure_command,
    }
    run_command("latent.py", commands, arguments, __doc__)


@dataclass(frozen=True)
class Task:
    """What a command is asked to do: its arguments, and the configuration that they name."""

    args: argparse.Namespace
    config: Config

    @property
    def folder(self) -> RunFolder:
        return RunFolder.of(self.config)

    def windows(self, split: str) -> list[Window]:
        return build_windows(self.config, split, stride=self.config.data.eval_stride)

    def find_windows(self, *names: str) -> list[Window]:
        windows = self.windows(self.args.split or self.config.data.test_split)
        return [find_window(windows, name) for name in names]

    def generator(self) -> Generator:
        checkpoint = chosen_weights(self.args, self.folder.best_checkpoint)
        return build_generator(self.config, checkpoint, build_device(self.args.device))

    def find_source(self, generator: Generator) -> Source:
        """What samples are drawn from.

        It is the prior of --prior, or the one that the run learned, or the one that ships with the
        weights; or else N(0, I).
        """
        if self.args.normal:
            return Source(None, self.args.temperature)
        own = self.folder.prior if self.folder.prior.is_file() else None
        file = self.args.prior or own or find_prior(self.args.weights)
        if file is None:
            return Source(None, self.args.temperature)
        print(f"prior: {file}")
        return Source(read_prior(file, generator.model), self.args.temperature)

    def write(
        self,
        generator: Generator,
        bodies: Sequence[CodedBody],
        title: str,
        name: str,
        origin: RunOrigin,
        draw: Draw | None = None,
    ) -> None:
        """Write bodies as moving meshes, and print what was written.

        The folder is <run>/latent/<name>, unless --output names another. They are drawn over time,
        or as `draw` does.
        """
        args = self.args
        draw = draw or partial(draw_motions, num_columns=args.columns, cell_height=args.height)
        folder = args.output or self.folder.latent(name)
        print(write_bodies(generator, bodies, self.config, folder, title, origin, draw))


def encode_command(arguments: Sequence[str]) -> None:
    """Write the codes of every window of a split as a table, and compare them with the prior.

    Example: python scripts/latent.py encode configs/generative/oflow.yaml --split train
    """
    parser = config_parser(encode_command.__doc__, "latent.py encode")
    parser.add_argument("--split", help="split file to encode instead of data.train_split")
    file = "file to write, .npz, instead of <run>/codes/<split>.npz"
    parser.add_argument("--output", type=path_ending_in(".npz"), help=file)
    add_checkpoint(parser)
    add_device(parser)
    _run(_encode, parser, arguments)


def prior_command(arguments: Sequence[str]) -> None:
    """Learn what the codes of the training's windows are like, so that new ones can be drawn.

    The windows are drawn as training draws them. Every tenth clip is kept apart, and its loss told
    beside that of the others: a flow that learned codes by heart would miss those. From then on,
    sample draws from this prior instead of the one that ships.
    Example: python scripts/latent.py prior configs/benchmark/generative.yaml --weights generative
    """
    parser = config_parser(prior_command.__doc__, "latent.py prior")
    parser.add_argument(
        "--num-windows",
        type=int,
        default=20_000,
        help="to encode, whole batches of them (default 20000)",
    )
    steps = PriorBudget().iterations
    parser.add_argument("--iterations", type=int, default=steps, help=f"steps (default {steps})")
    parser.add_argument("--seed", type=int, default=0)
    file = f"file to write, {ENDING}, instead of <run>/codes/prior{ENDING}"
    parser.add_argument("--output", type=path_ending_in(ENDING), help=file)
    add_checkpoint(parser)
    add_device(parser)
    _run(_prior, parser, arguments)


def interpolate_command(arguments: Sequence[str]) -> None:
    """Blend the shape or the motion code of two windows; the other code stays that of the first.

    This writes one moving mesh per step, in the normalised coordinates of the first frame; loc and
    scale of the files are those of --from. For a model with encoders, the conditioned codes are
    blended.
    Example: python scripts/latent.py interpolate configs/generative/oflow.yaml \\
                 --from 01_hips/00000 --to 02_arms/00000 --what motion
    """
    parser = config_parser(interpolate_command.__doc__, "latent.py interpolate")
    parser.add_argument("--from", dest="first", help="such as 01_hips/00000", **WHERE)
    parser.add_argument("--to", dest="last", help="such as 02_arms/00000", **WHERE)
    parser.add_argument("--what", choices=CODE_NAMES, required=True, help="code to blend")
    parser.add_argument("--steps", type=int, default=5, help="moving meshes, both ends included")
    add_split(parser)
    _add_body_options(parser)
    _run(_interpolate, parser, arguments)


def transfer_command(arguments: Sequence[str]) -> None:
    """Let the body of one window move as that of another: motion code of A, shape code of B.

    This writes all as the model reconstructs them, and every body with every motion, in normalised
    coordinates of the first frame; loc and scale are those of --body-of. The picture has a row per
    body and a column per motion. For a model with encoders, the conditioned codes are exchanged.
    Example: python scripts/latent.py transfer configs/generative/oflow.yaml \\
                 --motion-of 01_hips/00000 --body-of 02_arms/00000
    """
    parser = config_parser(transfer_command.__doc__, "latent.py transfer")
    several = {"nargs": "+", **WHERE}
    parser.add_argument("--motion-of", help="whose motion, such as 01_hips/00000", **several)
    parser.add_argument("--body-of", help="whose body, such as 02_arms/00000", **several)
    add_split(parser)
    _add_body_options(parser, add_cell_height)  # its picture has a column per motion
    _run(_transfer, parser, arguments)


def sample_command(arguments: Sequence[str]) -> None:
    """Invent bodies and motions: codes drawn from a learned prior, or from N(0, I).

    This writes one moving mesh per sample, in the normalised coordinates of its first frame; an
    invented body has no place in the world. The prior is the one that `latent.py prior` learned in
    this run, or else the one that ships with the weights; without either, a model with latent codes
    alone draws from N(0, I).
    Example: python scripts/latent.py sample configs/benchmark/generative.yaml --weights generative
    Example, after a training: python scripts/latent.py sample configs/generative/oflow.yaml
    """
    parser = config_parser(sample_command.__doc__, "latent.py sample")
    parser.add_argument("--count", type=int, default=4, help="samples (default 4)")
    parser.add_argument(
        "--seed", type=int, default=0, help="the same seed gives the same samples (default 0)"
    )
    _add_prior(parser)
    _add_body_options(parser)
    _run(_sample, parser, arguments)


def measure_command(arguments: Sequence[str]) -> None:
    """Measure how well a body moves as another, and whether what a model invents is a body.

    The data set holds the motions of its test clips on other bodies, too; make_bodies.py
    --benchmark transfers makes it. Compared with these are the body with the motion code of the
    other (transfer; some are drawn), with that of its own window (observed), and standing still.
    Codes are blended from every second test window to the next, and samples drawn.
    Example: python scripts/latent.py measure configs/generative/oflow.yaml \\
                 data.root=data/bodies-1-transfers data.skip_frames=0
    """
    parser = config_parser(measure_command.__doc__, "latent.py measure")
    parser.add_argument("--samples", type=int, default=64, help="samples to judge (default 64)")
    parser.add_argument("--output", type=Path, help="folder, instead of <run>/latent/measured")
    _add_prior(parser)
    add_checkpoint(parser)
    add_device(parser)
    _run(_measure, parser, arguments)


def _add_prior(parser: argparse.ArgumentParser) -> None:
    """Options that name what samples are drawn from."""
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--prior",
        type=path_ending_in(ENDING),
        help="prior to draw samples from (default: <run>/codes/prior.safetensors, or else the one "
        "that ships with the weights)",
    )
    source.add_argument(
        "--normal", action="store_true", help="draw samples from N(0, I), whatever was learned"
    )
    temperature = f"standard deviation of the noise that a prior carries (default {TEMPERATURE})"
    parser.add_argument("--temperature", type=float, help=temperature)


def _add_body_options(
    parser: argparse.ArgumentParser, add_size: AddOptions = add_sheet_size
) -> None:
    """Options of a command that makes bodies and draws them, by default as frames over time."""
    add_checkpoint(parser)
    add_body_output(parser)
    add_size(parser)
    add_device(parser)


def _run(
    command: Callable[[Task], None], parser: argparse.ArgumentParser, arguments: Sequence[str]
) -> None:
    """Do what a command is asked to do; with --print-config, only show the configuration."""
    args = parse_with_overrides(parser, arguments)
    task = Task(args, build_config(args.config, args.overrides))
    if args.print_config:
        return print(dump_config(task.config), end="")
    command(task)


def _encode(task: Task) -> None:
    config, split = task.config, task.args.split or task.config.data.train_split
    windows, generator = task.windows(split), task.generator()
    table = encode_windows(generator, config, windows)
    output = task.args.output or task.folder.codes(split)
    table.save(output, build_run_origin(config, generator, windows, config.generation.seed))
    print(f"{len(windows)} windows of split {split} -> {output}, {output.stem}.csv\n{table}")


def _prior(task: Task) -> None:
    config, args, generator = task.config, task.args, task.generator()
    for option in ("num_windows", "iterations"):
        if (value := getattr(args, option)) < 1:
            raise UserError(f"--{option.replace('_', '-')} is {value}; it must be at least 1")
    output = args.output or task.folder.prior
    refuse_other_results(output.parent, [output.name])
    budget = PriorBudget(args.iterations)
    codes = encode_training(generator, config, args.num_windows)
    learned = learn_prior(codes, budget, args.seed)
    windows = build_windows(config, config.data.train_split, stride=config.data.stride)
    origin = build_run_origin(config, generator, windows, args.seed)
    made_by = {**origin.as_dict(), "num_windows": len(codes.joined), **asdict(budget)}
    weights, losses = weights_digest(generator.model), (learned.loss, learned.held_out_loss)
    with replacing_results(output.parent, [output.name]) as place:
        write_prior(place / output.name, LearnedPrior(learned.prior, weights, made_by, *losses))
    print(
        f"prior of the codes of {len(codes.joined)} windows -> {output}\n"
        f"loss {learned.loss:.4f}, of clips that were kept apart {learned.held_out_loss:.4f}"
    )


def _interpolate(task: Task) -> None:
    config, what = task.config, task.args.what
    first, last = task.find_windows(task.args.first, task.args.last)
    generator = task.generator()
    named = ((first, "from"), (last, "to"))
    start, end = (encode_body(generator, config, window, name) for window, name in named)
    bodies = interpolate(start, end, what, task.args.steps)
    name, title = result_name("interpolate", what, first, last), f"{what} from {first} to {last}"
    origin = build_run_origin(config, generator, [first, last], config.generation.seed)
    task.write(generator, bodies, title, name, origin)


def _transfer(task: Task) -> None:
    args, generator = task.args, task.generator()
    motions_of, bodies_of = (task.find_windows(*n) for n in (args.motion_of, args.body_of))
    windows = list(dict.fromkeys([*motions_of, *bodies_of]))
    own = {w: encode_body(generator, task.config, w, result_name(w)) for w in windows}
    moved = transfer_motions([own[w] for w in motions_of], [own[w] for w in bodies_of])
    draw = partial(
        draw_grid,
        rows={label: [body.label for body in row] for label, row in moved.items()},
        columns=[own[window].label for window in motions_of],
        cell_height=args.height,
    )
    name = transfer_name(motions_of, bodies_of)
    title = "bodies (rows) that move as others (columns)"
    bodies = [*own.values(), *(body for row in moved.values() for body in row)]
    origin = build_run_origin(task.config, generator, windows, task.config.generation.seed)
    task.write(generator, bodies, title, name, origin, draw)


def _sample(task: Task) -> None:
    generator, seed, count = task.generator(), task.args.seed, task.args.count
    source = task.find_source(generator)
    bodies = source.sample(generator, count, seed)
    origin = build_run_origin(task.config, generator, [], seed, source.fingerprint)
    kind = ("normal",) if source.learned is None else ()
    name = result_name("samples", *kind, "seed", seed)
    task.write(generator, bodies, f"drawn from {source}, seed {seed}", name, origin)


def _measure(task: Task) -> None:
    config, study = task.config, WindowStudy("generative")
    output = task.args.output or task.folder.latent("measured")
    refuse_other_results(output, study.files)
    refuse_other_picture(output / PICTURE)
    pairs, windows, generator = find_pairs(config), task.windows("test"), task.generator()
    measured = [*windows, *(pair.body for pair in pairs)]  # motions are among the windows
    origin = build_origin(config, measured, generator=generator)
    subject = Subject(generator, config, build_evaluator(config), task.folder.path, origin)
    source = task.find_source(generator)
    notes = measure_generative(study, subject, pairs, windows, task.args.samples, source)
    write_study(output, study, notes)
    print(f"{format_study(study)}\n{notes}\n\nwritten to {output}")
    draw_transfers(output / PICTURE, subject, pairs)


if __name__ == "__main__":
    sys.exit(exit_status(main))
