"""Transfers, samples and paths of one model -> the numbers of a study."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from im2mesh.config.schema import Config
from im2mesh.data.layout import Window
from im2mesh.errors import UserError
from im2mesh.evaluation.evaluator import Evaluator
from im2mesh.generation.generator import Generator
from im2mesh.generation.latent.bodies import CODE_NAMES, encode_body, sample_prior
from im2mesh.generation.latent.code_table import encode_windows
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

    def add(self, study: WindowStudy, name: str, window: str, numbers: Mapping[str, float]) -> None:
        """Add what was measured of the model to a study."""
        study.add(name, self.path, self.origin, window, numbers)


def measure_generative(
    study: WindowStudy,
    subject: Subject,
    pairs: Sequence[Pair],
    windows: Sequence[Window],
    num_samples: int,
) -> str:
    """Measure a model, and add the numbers to the study.

    Args:
        pairs: Transfers to compare with the truth.
        windows: Windows of true bodies; codes are blended from every second one to the next.
        num_samples: Samples of the prior, if the model has one.

    Returns:
        Notes on what has no numbers of windows.

    Raises:
        UserError: If the data set is not one of make_bodies.py, or the model lacks a code.
    """
    generator, notes = subject.generator, []
    try:
        samples = sample_prior(generator, num_samples, subject.config.generation.seed)
    except UserError as error:
        samples, notes = [], [f"No samples: {error}."]
    plausible = Plausible.of(subject.config.data.root, windows)
    for pair in tqdm(pairs, desc="transfers", unit="body"):
        found = measure_transfer(generator, subject.config, subject.evaluator, pair)
        for way, numbers in found.items():
            subject.add(study, way, pair.body.place, numbers)
    for body in tqdm(samples, desc="samples", unit="body", disable=not samples):
        made = generator.generate_from_codes(body.codes, frame=body.frame)
        subject.add(study, SAMPLES, body.name, judge(made.meshes, plausible))
    _measure_paths(study, subject, windows, plausible)
    if generator.model.has_posterior:
        table = encode_windows(generator, subject.config, windows)
        notes.append(f"Codes of the test windows:\n\n{table}")
    return "\n\n".join(notes)


def _measure_paths(
    study: WindowStudy, subject: Subject, windows: Sequence[Window], plausible: Plausible
) -> None:
    ends = list(zip(windows[::2], windows[1::2], strict=False))
    for first, last in tqdm(ends, desc="paths", unit="pair"):
        start, end = (
            encode_body(subject.generator, subject.config, window, str(window))
            for window in (first, last)
        )
        for what in CODE_NAMES:
            numbers = measure_path(subject.generator, start, end, what, plausible)
            subject.add(study, PATHS[what], first.place, numbers)
