"""The quality of the motion of several runs -> a CSV of all numbers and a table."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from im2mesh.evaluation.metric_info import metrics_of
from im2mesh.evaluation.tables import draw_table
from im2mesh.files.atomic import write_csv, write_text
from im2mesh.files.results import replacing_results
from im2mesh.runs.origins import ResultOrigin, list_origins, origins_section
from im2mesh.studies.prepared_runs import PreparedRun, pooled

METRICS = metrics_of("motion")
MOTION_FILES = ("motion.csv", "motion.md")
NOTE = (
    "Mean (standard deviation) over windows; several runs of one name are averaged per window "
    "first.\nUnit of length: longest side of the first true mesh. - : the run has no such number."
)


@dataclass
class MotionStudy:
    """All numbers of the study.

    Attributes:
        runs: Name of a method -> paths of its runs, one per seed.
        origins: Path of a run -> origin of its numbers.
        numbers: (name, metric) -> triples (path of the run, window, number).
    """

    runs: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    origins: dict[str, ResultOrigin] = field(default_factory=dict)
    numbers: dict[tuple[str, str], list[tuple[str, str, float]]] = field(
        default_factory=lambda: defaultdict(list)
    )

    def add(self, name: str, run: PreparedRun, window: str, numbers: Mapping[str, float]) -> None:
        path = str(run.path)
        if path not in self.runs[name]:
            self.runs[name].append(path)
            self.origins[path] = run.origin
        for metric, number in numbers.items():
            self.numbers[name, metric].append((path, window, number))

    def per_window(self, name: str, metric: str) -> list[float]:
        return pooled(self.numbers.get((name, metric), []), len(self.runs[name]))


def write_motion(folder: Path, study: MotionStudy) -> None:
    """Write motion.csv and motion.md, with the origin of the numbers.

    Raises:
        UserError: If files of somebody else would be replaced.
    """
    lines = (
        [name, path, window, metric, number, study.origins[path].id]
        for (name, metric), found in study.numbers.items()
        for path, window, number in found
    )
    heading = ["run", "path", "window", "metric", "number", "origin"]
    origins = origins_section(list_origins(study.origins))
    text = f"# Motion\n\n{format_motion(study, markdown=True)}{origins}"
    table, report = MOTION_FILES
    with replacing_results(folder, MOTION_FILES) as place:
        write_csv(place / table, [heading, *lines])
        write_text(place / report, text)


def format_motion(study: MotionStudy, markdown: bool = False) -> str:
    """A table of runs x metrics, and what the columns mean."""
    shown = [m for m in METRICS if any(metric == m for _, metric in study.numbers)]
    rows = [["method", *(METRICS[metric].column for metric in shown), "windows"]]
    for name, seeds in study.runs.items():
        label = name if len(seeds) == 1 else f"{name} ({len(seeds)} runs)"
        counts = {len(study.per_window(name, metric)) for metric in shown} - {0}
        windows = str(max(counts, default=0))
        rows.append([label, *(_cell(study, name, metric) for metric in shown), windows])
    infos = [METRICS[metric] for metric in shown]
    legend = [["column", "meaning", "better"]]
    legend += [[info.column, info.title, info.better or "-"] for info in infos]
    parts = (NOTE, draw_table(rows, markdown), draw_table(legend, markdown))
    return "\n\n".join(parts) + "\n"


def _cell(study: MotionStudy, name: str, metric: str) -> str:
    numbers = study.per_window(name, metric)
    if not numbers:
        return "-"
    digits = METRICS[metric].digits
    return f"{np.mean(numbers):.{digits}f} ({np.std(numbers):.{digits}f})"
