"""Every window of a split -> records in files; finished windows are skipped. Free of torch."""

import json
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, astuple, dataclass
from multiprocessing import get_context
from pathlib import Path

import torch

from im2mesh.data.fingerprint import clip_fingerprint
from im2mesh.data.frames import StoredWindow
from im2mesh.data.layout import Window
from im2mesh.errors import UserError
from im2mesh.evaluation.evaluator import Evaluator
from im2mesh.evaluation.predictions import PredictedMeshes
from im2mesh.evaluation.records import Record
from im2mesh.evaluation.report import is_reported, write_report
from im2mesh.evaluation.summary import summarize
from im2mesh.evaluation.tables import format_table
from im2mesh.files.atomic import TEMPORARY, write_json
from im2mesh.files.hashes import hash_text
from im2mesh.machine.locks import claim
from im2mesh.machine.ranks import Ranks
from im2mesh.machine.shared_work import PATIENCE, for_each
from im2mesh.runs.advice import collected_advice, once_per_kind
from im2mesh.runs.folder import LOCK_FILE
from im2mesh.runs.origins import ResultOrigin
from im2mesh.runs.provenance import PACKAGE, code_hash, package_versions

PARTS_FOLDER = "windows"


@dataclass(frozen=True)
class Measured:
    """What was measured, and what may not be meant there, in words."""

    records: list[Record]
    advice: list[str]


@dataclass(frozen=True)
class SplitEvaluation:
    """The evaluation of one split, with a file of records for each window.

    A window is finished when its file exists and was made from the same meshes and data, with the
    same settings, code and libraries.
    """

    evaluator: Evaluator
    predictions: PredictedMeshes
    folder: Path

    @property
    def lock(self) -> Path:
        return self.folder / LOCK_FILE

    def part(self, window: Window) -> Path:
        name = f"{window.name}.json"
        return self.folder / PARTS_FOLDER / window.category / window.clip / name

    def finish(self, window: Window) -> None:
        """Measure a window, unless it is finished."""
        if self.read(window) is None:
            for left in self.part(window).parent.glob(f"{window.name}.json.*{TEMPORARY}"):
                left.unlink()  # left by a process that was killed
            with collected_advice() as advice:
                prediction = self.predictions.read(StoredWindow(self.evaluator.root, window))
                records = self.evaluator.evaluate_window(window, prediction)
            measured = {"records": list(map(astuple, records)), "advice": advice}
            write_json(self.part(window), {"source": self._source(window), **measured})

    def read(self, window: Window) -> Measured | None:
        """What was measured in a window; None if it is not finished.

        Raises:
            UserError: If the file is not one of eval.py.
        """
        path = self.part(window)
        if not path.is_file():
            return None
        try:
            content = json.loads(path.read_text("utf-8"))
            source, records = content["source"], [Record(*v) for v in content["records"]]
            if source != self._source(window):
                return None
            return Measured(records, list(map(str, content["advice"])))
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise UserError(
                f"{path} was not written by eval.py, or is damaged; choose another --output, or "
                "move the file away"
            ) from error

    def _source(self, window: Window) -> str:
        """A hash of everything that the records depend on."""
        clip = clip_fingerprint(self.evaluator.root, window.category, window.clip)
        settings = {**asdict(self.evaluator), "root": ""}
        meshes = [self.predictions.coordinates, *self.predictions.state(window)]
        versions = package_versions()
        return hash_text(clip, *map(str, [settings, meshes, versions, window]), code_hash(PACKAGE))


def refuse_unready(evaluation: SplitEvaluation, windows: Sequence[Window]) -> None:
    """Refuse windows whose meshes are not all there, and results that are not of eval.py.

    Raises:
        UserError: If so; files that are there are not read.
    """
    for window in windows:
        evaluation.predictions.find(window)
        evaluation.read(window)
    for window in windows:  # after those that lack everything
        evaluation.predictions.refuse_missing(window)


def evaluate_split(
    evaluation: SplitEvaluation,
    windows: Sequence[Window],
    *,
    workers: int = 1,
    ranks: Ranks | None = None,
    on_progress: Callable[[int], object] | None = None,
) -> Measured:
    """Evaluate every window, alone or with other processes; records come in the order of windows.
    Advice is given once per kind.

    Args:
        windows: Windows to evaluate; all must have predictions.
        workers: Number of processes, of one thread each; 1 works in the calling process.
        ranks: Rank of this call among several that share the work; all return the same records.
        on_progress: Function called with the number of finished windows.

    Raises:
        UserError: If a window has no prediction or numbered meshes lack a frame (both are checked
            before any work), a file is broken, or one of somebody else would be replaced.
    """
    if workers < 1:
        raise UserError(f"--workers must be at least 1, got {workers}")
    refuse_unready(evaluation, windows)
    ranks = Ranks() if ranks is None else ranks
    tell = on_progress or (lambda _: None)
    if workers == 1:
        _work(evaluation, windows, ranks, tell)
    else:
        _work_in_processes(evaluation, windows, ranks, workers, tell)
    parts = {window: evaluation.read(window) for window in windows}
    unfinished = [str(window) for window, part in parts.items() if part is None]
    if unfinished:
        raise UserError(
            f"meshes or data of {', '.join(unfinished[:3])} have changed during the evaluation; "
            "run eval.py again"
        )
    measured = {window: part for window, part in parts.items() if part is not None}
    return Measured(
        [record for part in measured.values() for record in part.records],
        once_per_kind({window: part.advice for window, part in measured.items()}),
    )


def report_once(
    evaluation: SplitEvaluation,
    split: str,
    measured: Measured,
    origin: ResultOrigin,
    ranks: Ranks,
) -> str:
    """Write the report, in the main process or, if that has died, in another; return the table."""
    while True:
        with claim(evaluation.lock, "report") as is_mine:
            if is_mine:
                if ranks.is_main or not is_reported(evaluation.folder, origin):
                    write_report(
                        evaluation.folder, split, measured.records, origin, measured.advice
                    )
                return format_table({split: summarize(measured.records)})
        time.sleep(PATIENCE)


def _work(
    evaluation: SplitEvaluation,
    windows: Sequence[Window],
    ranks: Ranks,
    tell: Callable[[int], object] = lambda _: None,
) -> None:
    finished: set[Window] = set()

    def finish(window: Window) -> None:
        evaluation.finish(window)
        finished.add(window)
        tell(len(finished))

    for_each(windows, evaluation.lock, ranks, finish)


def _work_in_processes(
    evaluation: SplitEvaluation,
    windows: Sequence[Window],
    ranks: Ranks,
    workers: int,
    tell: Callable[[int], object],
) -> None:
    """Share the windows among worker processes, which work like the calls of several ranks."""
    world_size, first = ranks.world_size * workers, ranks.rank * workers
    with ProcessPoolExecutor(workers, get_context("spawn"), initializer=_prepare_worker) as pool:
        tasks = [
            pool.submit(_work, evaluation, windows, Ranks(first + number, world_size))
            for number in range(workers)
        ]
        while wait(tasks, timeout=PATIENCE).not_done:
            tell(sum(evaluation.part(window).is_file() for window in windows))
        for task in tasks:
            try:
                task.result()
            except BrokenProcessPool as error:
                raise UserError(
                    "a process of --workers was killed, perhaps for lack of memory; lower "
                    "--workers and run the same command again: it goes on with what is left"
                ) from error
    tell(len(windows))


def _prepare_worker() -> None:
    """One thread each."""
    os.environ["IGL_NUM_THREADS"] = "1"  # libigl reads it at its first parallel loop
    torch.set_num_threads(1)  # as many search trees of points
