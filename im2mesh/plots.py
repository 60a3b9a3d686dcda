"""Plots of records over frames, and how any plot gets into its file."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from im2mesh.evaluation import Record
from im2mesh.files.atomic import atomic_file
from im2mesh.metric_info import metric_info

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def plot_over_time(
    records: Sequence[Record], metric: str, path: Path | str, origin: str = ""
) -> None:
    """Plot the mean of a metric over windows for each frame, with the spread between windows.

    The band holds the middle 80 % of the windows.

    Raises:
        ValueError: If the records lack the metric.
    """
    by_frame = values_by_frame(records, metric)
    if not by_frame:
        found = ", ".join(sorted({record.metric for record in records})) or "none"
        raise ValueError(f"no record of {metric}; there are: {found}")
    frames = list(by_frame)
    low, high = np.transpose([np.percentile(values, (10, 90)) for values in by_frame.values()])
    with frame_plot(metric, path, origin=origin) as axes:
        axes.fill_between(frames, low, high, alpha=0.2, lw=0, label="middle 80 % of windows")
        means = [np.mean(values) for values in by_frame.values()]
        axes.plot(frames, means, lw=2, marker="o", ms=3, label="mean")
        axes.legend(frameon=False)


def values_by_frame(records: Sequence[Record], metric: str) -> dict[int, list[float]]:
    """Frame -> values of all windows, frames in order."""
    by_frame: dict[int, list[float]] = defaultdict(list)
    for record in records:
        if record.metric == metric:
            by_frame[record.frame].append(record.value)
    return dict(sorted(by_frame.items()))


@contextmanager
def frame_plot(
    metric: str, path: Path | str, size: tuple[float, float] = (6, 3.6), origin: str = ""
) -> Iterator["Axes"]:
    """Axes of a plot of a metric over frames, to be drawn into; saved at the end.

    Args:
        size: Width and height in inches.
        origin: What made the numbers; noted inside the file.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # slow to import
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    yield axes
    axes.set(xlabel="frame", title=metric_info(metric).title)
    axes.title.set_fontsize(11)
    axes.locator_params(axis="x", integer=True)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    save_figure(figure, Path(path), origin)


def save_figure(figure: "Figure", path: Path, origin: str, dpi: int = 150) -> None:
    """Write a plot as PNG that is whole or not there.

    Args:
        origin: What made the numbers; noted inside the file.
    """
    with atomic_file(path) as file:
        figure.savefig(file, format="png", dpi=dpi, metadata={"Source": origin})
