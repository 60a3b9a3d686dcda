"""The quality of the motion of several runs -> a CSV of all numbers and a table."""

import csv
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from im2mesh.files.atomic import write_text
from im2mesh.reporting import draw_table
from im2mesh.robustness.motion import METRICS
from im2mesh.robustness.runs import pooled

NOTE = (
    "Mean (standard deviation) over windows; several runs of one name are averaged per window "
    "first.\nUnit of length: longest side of the first true mesh. - : the run has none of that."
)


@dataclass
class MotionStudy:
    """Everything measured.

    Attributes:
        runs: Name -> paths of its seeds.
        numbers: (name, metric) -> (path of the run, window, number).
    """

    runs: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    numbers: dict[tuple[str, str], list[tuple[str, str, float]]] = field(
        default_factory=lambda: defaultdict(list)
    )

    def add(self, name: str, path: str, window: str, numbers: Mapping[str, float]) -> None:
        """Add one window of one run."""
        if path not in self.runs[name]:
            self.runs[name].append(path)
        for metric, number in numbers.items():
            self.numbers[name, metric].append((path, window, number))

    def per_window(self, name: str, metric: str) -> list[float]:
        return pooled(self.numbers.get((name, metric), []), len(self.runs[name]))


def write_motion(folder: Path, study: MotionStudy) -> None:
    """Write motion.csv and motion.md."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "motion.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["run", "path", "window", "metric", "number"])
        for (name, metric), found in study.numbers.items():
            writer.writerows([name, path, window, metric, value] for path, window, value in found)
    write_text(folder / "motion.md", f"# Motion\n\n{format_motion(study, markdown=True)}")


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
