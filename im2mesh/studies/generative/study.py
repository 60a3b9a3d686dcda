"""Transfers, samples and paths of one model -> the numbers of a study."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from im2mesh.config.schema import Config
from im2mesh.data.layout import Window
from im2mesh.errors import Advice, UserError
from im2mesh.evaluation.evaluator import Evaluator
from im2mesh.generation.generator import Generator
from im2mesh.generation.latent.bodies import encode_body, interpolate, transfer_motion
from im2mesh.generation.latent.code_table import encode_windows
from im2mesh.generation.latent.coded_body import CODE_NAMES, CodedBody, CodeName
from im2mesh.generation.latent.samples import refuse_copies
from im2mesh.generation.latent.source import Source
from im2mesh.meshing.frame_meshes import Reconstruction
from im2mesh.meshing.mesh_sequence import MeshSequence
from im2mesh.meshing.rendering import import_pyvista
from im2mesh.runs.origins import ResultOrigin
from im2mesh.studies.generative.invented import Plausible, judge
from im2mesh.studies.generative.pair import Pair
from im2mesh.studies.generative.paths import measure_path
from im2mesh.studies.generative.picture import choose_grid, draw_rows
from im2mesh.studies.generative.transfer import compare_with_truth
from im2mesh.studies.generative.truth import read_true_body
from im2mesh.studies.window_study import WindowStudy

SAMPLES = "samples"
PATHS = {"shape": "path of shapes", "motion": "path of motions"}
"""Names in tables."""
STEPS = 7
"""Bodies along a path, both ends included."""


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

    def encode(self, window: Window) -> CodedBody:
        return encode_body(self.generator, self.config, window, str(window))

    def make(self, body: CodedBody) -> Reconstruction:
        return self.generator.generate_from_codes(body.codes, frame=body.frame, given=body.given)

    def transfer(self, motion: Window, body: CodedBody) -> Reconstruction:
        """A body with the motion code of a window."""
        return self.make(transfer_motion(self.encode(motion), body))

    def add(self, study: WindowStudy, name: str, window: str, numbers: Mapping[str, float]) -> None:
        """Add what was measured of the model to a study."""
        study.add(name, self.path, self.origin, window, numbers)


def measure_generative(
    study: WindowStudy,
    subject: Subject,
    pairs: Sequence[Pair],
    windows: Sequence[Window],
    num_samples: int,
    source: Source,
) -> str:
    """Measure a model, and add the numbers to the study.

    Args:
        pairs: Transfers to compare with the truth.
        windows: Windows of true bodies; codes are blended from every second one to the next.
        num_samples: Invented bodies to judge, if the model can invent any.
        source: What they are drawn from.

    Returns:
        Notes on what has no numbers of windows.

    Raises:
        UserError: If the data set is not one of make_bodies.py, or the model lacks a code, or
            windows are observed in several copies.
    """
    refuse_copies(subject.generator)
    samples, notes = _draw_samples(subject, num_samples, source)
    paths, more = _possible_paths(subject, pairs[0])
    notes += more
    plausible = Plausible.of(subject.config.data.root, windows)
    for pair in tqdm(pairs, desc="transfers", unit="body"):
        _measure_transfer(study, subject, pair)
    for body in tqdm(samples, desc="samples", unit="body", disable=not samples):
        subject.add(study, SAMPLES, body.name, judge(subject.make(body).meshes, plausible))
    ends = list(zip(windows[::2], windows[1::2], strict=False))
    for first, last in tqdm(ends, desc="paths", unit="pair"):
        start, end = subject.encode(first), subject.encode(last)
        for what in paths:
            bodies = interpolate(start, end, what, STEPS)
            numbers = measure_path([subject.make(body) for body in bodies], what, plausible)
            subject.add(study, PATHS[what], first.place, numbers)
    if subject.generator.model.has_posterior:
        notes.append(_tell_codes(subject, windows))
    return "\n\n".join(notes)


def draw_transfers(path: Path, subject: Subject, pairs: Sequence[Pair]) -> None:
    """Draw some transfers at t = 1: whose motions they are, bodies that have them, and the truth.
    Without the library that pictures need, say so.

    Args:
        path: File to write, .png.
        subject: Model that makes the meshes.
        pairs: Transfers to choose from.
    """
    try:
        import_pyvista()
    except UserError as error:
        warnings.warn(f"no transfers were drawn: {error}", Advice, stacklevel=2)
        return
    grid = choose_grid(pairs)
    owners = next(iter(grid.values()))
    rows = {"motion": [subject.make(subject.encode(owner)) for owner in owners]}
    for body, row in grid.items():
        rows[f"body {body}"] = [
            subject.transfer(motion, subject.encode(pair.body)) for motion, pair in row.items()
        ]
        truths = [read_true_body(subject.config.data.root, pair.body) for pair in row.values()]
        rows[f"truth of {body}"] = [truth.moving for truth in truths]
    draw_rows(path, grid, rows, str(subject.origin))


def _tell_codes(subject: Subject, windows: Sequence[Window]) -> str:
    try:
        table = encode_windows(subject.generator, subject.config, windows)
    except UserError as error:  # a code is no vector, say, which the rest of the study bears
        return f"No table of codes: {error}."
    return f"Codes of the test windows:\n\n{table}"


def _draw_samples(
    subject: Subject, count: int, source: Source
) -> tuple[list[CodedBody], list[str]]:
    """Invented bodies, and a note on what they were drawn from or why there are none."""
    if count < 0:
        raise UserError(f"--samples is {count}; it must be 0 or more")
    if count == 0:
        return [], []
    try:
        bodies = source.sample(subject.generator, count, subject.config.generation.seed)
    except UserError as error:
        return [], [f"No samples: {error}."]
    return bodies, [f"Samples: of {source}."]


def _possible_paths(subject: Subject, pair: Pair) -> tuple[list[CodeName], list[str]]:
    """The codes that can be blended, and notes on the others.

    Raises:
        UserError: If the model cannot give the motion of one window to the body of another.
    """
    if subject.generator.needs_given_surface:
        raise UserError(
            "generation.surface names a given surface, but transfers need one that the model makes "
            "of the shape code; set it to extracted"
        )
    body = subject.encode(pair.body)
    transfer_motion(subject.encode(pair.motion), body)
    possible, notes = [], []
    for what in CODE_NAMES:
        try:
            interpolate(body, body, what, STEPS)
            possible.append(what)
        except UserError as error:
            notes.append(f"No {PATHS[what]}: {error}.")
    return possible, notes


def _measure_transfer(study: WindowStudy, subject: Subject, pair: Pair) -> None:
    """Compare the body of a pair with the truth, moved in three ways.

    They are the motion code of the other window (transfer), for comparison that of its own
    (observed), and none (still).
    """
    truth = read_true_body(subject.config.data.root, pair.body)
    body = subject.encode(pair.body)
    observed, moved = subject.make(body), subject.transfer(pair.motion, body)
    if not (isinstance(observed, MeshSequence) and isinstance(moved, MeshSequence)):
        raise UserError(
            "the model extracts the surface of every frame anew, so no motion can be transferred; "
            "that takes model.method occupancy_flow"
        )
    start = np.repeat(observed.vertices[:1], observed.num_frames, 0)
    ways = {"transfer": moved, "observed": observed, "still": replace(observed, vertices=start)}
    for way, meshes in ways.items():
        numbers = compare_with_truth(subject.evaluator, pair.body, meshes, truth)
        subject.add(study, way, pair.body.place, numbers)
