"""Numbers of windows, for several methods or runs -> a CSV of all numbers and a table."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from im2mesh.evaluation.metric_info import MetricInfo, Tool, metrics_of
from im2mesh.evaluation.tables import draw_table
from im2mesh.files.atomic import write_csv, write_text
from im2mesh.files.results import replacing_results
from im2mesh.runs.origins import ResultOrigin, list_origins, origins_section
from im2mesh.studies.prepared_runs import pooled

NOTE = (
    "Mean (standard deviation) over windows; several runs of one name are averaged per window "
    "first.\nUnit of length: longest side of the first true mesh. - : the run has no such number."
)


@dataclass
class WindowStudy:
    """All numbers of a study.

    Attributes:
        tool: The study, as the table of metrics calls it; also the name of its files.
        runs: Name of a method -> paths of its runs, one per seed.
        origins: Path of a run -> origin of its numbers.
        numbers: (name, metric) -> triples (path of the run, window, number).
    """

    tool: Tool
    runs: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    origins: dict[str, ResultOrigin] = field(default_factory=dict)
    numbers: dict[tuple[str, str], list[tuple[str, str, float]]] = field(
        default_factory=lambda: defaultdict(list)
    )

    @property
    def files(self) -> tuple[str, str]:
        """Names of the files with the numbers and with the table."""
        return f"{self.tool}.csv", f"{self.tool}.md"

    @property
    def metrics(self) -> dict[str, MetricInfo]:
        """The metrics that were measured, in the order of tables."""
        known = metrics_of(self.tool)
        return {key: known[key] for key in known if any(m == key for _, m in self.numbers)}

    def add(
        self,
        name: str,
        run: Path,
        origin: ResultOrigin,
        window: str,
        numbers: Mapping[str, float],
    ) -> None:
        """Add what was measured of a run in a window, under the name of a method."""
        path = str(run)
        if path not in self.runs[name]:
            self.runs[name].append(path)
            self.origins[path] = origin
        for metric, number in numbers.items():
            self.numbers[name, metric].append((path, window, number))

    def per_window(self, name: str, metric: str) -> list[float]:
        return pooled(self.numbers.get((name, metric), []), len(self.runs[name]))


def write_study(folder: Path, study: WindowStudy, note: str = "") -> None:
    """Write a .csv and an .md file, with the origin of the numbers, and a note below the table.

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
    more = f"\n{note}\n" if note else ""
    title = study.tool.capitalize()
    text = f"# {title}\n\n{format_study(study, markdown=True)}{more}{origins}"
    table, report = study.files
    with replacing_results(folder, study.files) as place:
        write_csv(place / table, [heading, *lines])
        write_text(place / report, text)


def format_study(study: WindowStudy, markdown: bool = False) -> str:
    """A table of runs x metrics, and what the columns mean."""
    shown = study.metrics
    rows = [["method", *(info.column for info in shown.values()), "windows"]]
    for name, seeds in study.runs.items():
        label = name if len(seeds) == 1 else f"{name} ({len(seeds)} runs)"
        counts = {len(study.per_window(name, metric)) for metric in shown} - {0}
        windows = str(max(counts, default=0))
        rows.append([label, *(_cell(study, name, metric) for metric in shown), windows])
    legend = [["column", "meaning", "better"]]
    legend += [[info.column, info.title, info.better or "-"] for info in shown.values()]
    parts = (NOTE, draw_table(rows, markdown), draw_table(legend, markdown))
    return "\n\n".join(parts) + "\n"


def _cell(study: WindowStudy, name: str, metric: str) -> str:
    numbers = study.per_window(name, metric)
    if not numbers:
        return "-"
    digits = study.metrics[metric].digits
    return f"{np.mean(numbers):.{digits}f} ({np.std(numbers):.{digits}f})"
