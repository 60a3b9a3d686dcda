"""Evaluated runs -> one page: numbers, curves over time, and the best, median and worst windows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from im2mesh.config.schema import Config
from im2mesh.config.validation import dump_config
from im2mesh.data.frames import StoredWindow
from im2mesh.data.layout import Window
from im2mesh.errors import UserError
from im2mesh.evaluation.predictions import PredictedMeshes
from im2mesh.evaluation.records import Record
from im2mesh.evaluation.report import read_report
from im2mesh.evaluation.summary import summarize
from im2mesh.evaluation.tables import summary_note, summary_table
from im2mesh.files.results import replacing_results
from im2mesh.generation.inputs import find_observation
from im2mesh.runs.folder import PAGE_FILE, RunFolder
from im2mesh.runs.logs import Curve, read_logged
from im2mesh.runs.origins import ResultOrigin, list_origins
from im2mesh.runs.window_summary import read_seconds
from im2mesh.visualization.color_bar import ErrorScale
from im2mesh.visualization.contact_sheet import read_panel
from im2mesh.visualization.panel import Panel
from im2mesh.visualization.report.curves import metric_curves, training_curves
from im2mesh.visualization.report.layers import window_content
from im2mesh.visualization.report.page import Page
from im2mesh.visualization.vertex_errors import vertex_errors
from im2mesh.visualization.window_choice import BY_SHAPE, best_median_worst, rank_windows


@dataclass(frozen=True)
class Evaluated:
    """One split of one run, with what was measured.

    Attributes:
        config: Configuration of the evaluation.
        windows: The measured windows.
        run: Folder of the run, whose training is shown; None for meshes of another program.
    """

    config: Config
    windows: Sequence[Window]
    predictions: PredictedMeshes
    records: Sequence[Record]
    origin: ResultOrigin | None = None
    run: RunFolder | None = None

    @classmethod
    def read(cls, config: Config, run: RunFolder, split: str) -> "Evaluated":
        """Read the split of a run that was generated and evaluated.

        Raises:
            UserError: If it was not, or its files are broken.
        """
        records, origin = read_report(run.evaluation(split))
        length = config.data.num_frames
        windows = {Window(r.category, r.clip, r.start, length, r.frame_step): None for r in records}
        meshes = PredictedMeshes(run.generation(split))
        return cls(config, list(windows), meshes, records, origin, run)

    def panel(self, window: Window, with_errors: bool = True) -> Panel:
        """Input, prediction and truth of a window, and the errors of predicted vertices."""
        stored, measured = StoredWindow(self.config.data.root, window), self.config.evaluation
        prediction = self.predictions.read(stored)
        panel = read_panel(stored, prediction, find_observation(self.config, window), self.records)
        if not with_errors:
            return panel
        errors = vertex_errors(
            stored, prediction, measured.correspondence, measured.project_to_final_mesh
        )
        return replace(panel, errors=errors)


def write_page(folder: Path, page: Page) -> list[str]:
    """Write a page into a folder; returns notes on what did not fit into it.

    Raises:
        UserError: If it would replace a file of somebody else.
    """
    with replacing_results(folder, [PAGE_FILE]) as place:
        left_out = page.write(place / PAGE_FILE)
    return [f"{PAGE_FILE} would be larger than 20 MB with the {caption}" for caption in left_out]


def evaluation_page(title: str, columns: Mapping[str, Evaluated], **more: Any) -> Page:
    """A page of numbers, curves and windows.

    Args:
        columns: Name of a split or of a run -> its result. Runs of the same windows are shown side
            by side.
        more: Further contents of the page.
    """
    summaries = {name: summarize(column.records) for name, column in columns.items()}
    scale, windows = ErrorScale(), {}
    for group in _same_windows(columns):
        windows |= _windows(group, scale)
    content = {
        "note": summary_note(summaries),
        "settings": {f"Settings: {n}": dump_config(c.config) for n, c in columns.items()},
        **more,
    }
    return Page(
        title,
        f"Origins\n{list_origins({name: column.origin for name, column in columns.items()})}",
        table=summary_table(summaries),
        curves=metric_curves({name: column.records for name, column in columns.items()}),
        training=training_curves(_logged(columns)),
        timings=_timings(columns),
        windows=windows,
        scale=scale,
        **content,
    )


def _logged(columns: Mapping[str, Evaluated]) -> dict[str, dict[str, Curve]]:
    """Name -> what its training logged; once for several splits of one run."""
    runs: dict[Path, tuple[str, RunFolder]] = {}
    for name, column in columns.items():
        if column.run is not None and column.run.logs.is_dir():
            runs.setdefault(column.run.path.resolve(), (name, column.run))
    return {name: read_logged(run) for name, run in runs.values()}


def _timings(columns: Mapping[str, Evaluated]) -> list[list[str]]:
    """Seconds of a window, stage by stage: the mean, and the least and the most."""
    found = {
        name: read_seconds(column.predictions.folder, column.windows)
        for name, column in columns.items()
    }
    found = {name: stages for name, stages in found.items() if stages}
    rows = [
        [stage, *(_range(stages.get(stage, [])) for stages in found.values())]
        for stage in dict.fromkeys(stage for stages in found.values() for stage in stages)
    ]
    return [["seconds of a window", *found], *rows] if rows else []


def _range(values: Sequence[float]) -> str:
    if not values:
        return "-"
    return f"{sum(values) / len(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def _same_windows(columns: Mapping[str, Evaluated]) -> list[dict[str, Evaluated]]:
    """The columns, grouped by the windows that they measured."""
    groups: dict[tuple[str, ...], dict[str, Evaluated]] = {}
    for name, column in columns.items():
        key = tuple(sorted(window.id for window in column.windows))
        groups.setdefault(key, {})[name] = column
    return list(groups.values())


def _windows(columns: Mapping[str, Evaluated], scale: ErrorScale) -> dict[str, dict[str, Any]]:
    """The best, median and worst window of the first column, as every column predicts them."""
    first = next(iter(columns.values()))
    try:
        ranked = rank_windows(first.windows, first.records, BY_SHAPE)
    except UserError:
        return {}  # nothing was measured by which windows could be chosen
    names: dict[Window, list[str]] = {}
    for name, window in best_median_worst(ranked).items():
        names.setdefault(window, []).append(name)
    of = "" if len(columns) > 1 else f" of {next(iter(columns))}"
    return {
        f"{' and '.join(names[window])} window{of}": window_content(_panels(columns, window), scale)
        for window in names
    }


def _panels(columns: Mapping[str, Evaluated], window: Window) -> dict[str, Panel]:
    """Name of a prediction -> its panel; a single one is called prediction."""
    panels = {}
    for name, column in columns.items():
        panel = column.panel(window)
        if all(mesh.is_empty for mesh in (panel.prediction or {}).values()):
            panel = replace(panel, errors=None)
        panels[name if len(columns) > 1 else "prediction"] = panel
    return panels
