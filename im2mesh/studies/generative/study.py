"""Transfers, samples and paths of one model -> the numbers of a study."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from im2mesh.config.schema import Config
from im2mesh.data.layout import Window
from im2mesh.evaluation.evaluator import Evaluator
from im2mesh.generation.generator import Generator
from im2mesh.generation.latent.bodies import CODE_NAMES, CodedBody, encode_body
from im2mesh.runs.origins import ResultOrigin
from im2mesh.studies.generative.invented import Plausible, judge
from im2mesh.studies.generative.paths import measure_path
from im2mesh.studies.generative.transfer import Pair, measure_transfer
from im2mesh.studies.window_study import WindowStudy

SAMPLES = "samples"
PATHS = {"shape": "path of shapes", "motion": "path of motions"}
"""Names in tables."""


@dataclass(frozen=True)
class Subject:
    """A model to be measured, and by what.

    Attributes:
        path: Folder of its run.
        origin: Origin of the numbers.
    """

    generator: Generator
    config: Config
    evaluator: Evaluator
    path: Path
    origin: ResultOrigin


def count_work(
    pairs: Sequence[Pair], samples: Sequence[CodedBody], windows: Sequence[Window]
) -> int:
    """How often `measure_generative` calls back."""
    return len(pairs) + len(samples) + len(PATHS) * (len(windows) // 2)


def measure_generative(
    study: WindowStudy,
    subject: Subject,
    pairs: Sequence[Pair],
    samples: Sequence[CodedBody],
    windows: Sequence[Window],
    on_progress: Callable[[], object],
) -> None:
    """Measure a model, and add the numbers to the study.

    Args:
        pairs: Transfers to compare with the truth.
        samples: Samples of the prior.
        windows: Windows of true bodies; codes are blended from every second one to the next.
        on_progress: Function called after each transfer, sample and path.

    Raises:
        UserError: If the data set is not one of make_bodies.py, or the model lacks a code.
    """
    generator, config = subject.generator, subject.config

    def add(name: str, window: str, numbers: dict[str, float]) -> None:
        study.add(name, subject.path, subject.origin, window, numbers)

    plausible = Plausible.of(config.data.root, windows)
    for pair in pairs:
        found = measure_transfer(generator, config, subject.evaluator, pair)
        for way, numbers in found.items():
            add(way, pair.body.place, numbers)
        on_progress()
    for body in samples:
        made = generator.generate_from_codes(body.codes, frame=body.frame)
        add(SAMPLES, body.name, judge(made.meshes, plausible))
        on_progress()
    for first, last in zip(windows[::2], windows[1::2], strict=False):
        start = encode_body(generator, config, first, "first")
        end = encode_body(generator, config, last, "last")
        for what in CODE_NAMES:
            add(PATHS[what], first.place, measure_path(generator, start, end, what, plausible))
            on_progress()
