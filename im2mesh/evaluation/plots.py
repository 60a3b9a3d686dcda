"""Plots of records over frames, and the writing of any plot to its file."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from im2mesh.evaluation.metric_info import metric_info
from im2mesh.evaluation.records import Record
from im2mesh.files.atomic import atomic_file
from im2mesh.files.results import ORIGIN_KEY, refuse_other_picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Line colours that the colour-blind can tell apart (Okabe and Ito 2008)."""
LINES_AND_MARKERS = tuple(product(("-", "--"), "osD^vPX*"))


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
    with frame_plot(metric, path, origin=origin, layout=None) as axes:
        axes.fill_between(frames, low, high, alpha=0.2, lw=0, label="middle 80 % of windows")
        means = [np.mean(values) for values in by_frame.values()]
        axes.plot(frames, means, lw=2, marker="o", ms=3, label="mean")
        axes.legend(frameon=False)
        axes.set_position((0.15, 0.14, 0.82, 0.76))


def values_by_frame(records: Sequence[Record], metric: str) -> dict[int, list[float]]:
    """Frame -> values of the metric in all windows, in the order of frames."""
    by_frame: dict[int, list[float]] = defaultdict(list)
    for record in records:
        if record.metric == metric:
            by_frame[record.frame].append(record.value)
    return dict(sorted(by_frame.items()))


@contextmanager
def frame_plot(
    metric: str,
    path: Path | str,
    size: tuple[float, float] = (6, 3.6),
    origin: str = "",
    layout: Literal["constrained"] | None = "constrained",
) -> Iterator["Axes"]:
    """Yield the axes of a plot of a metric over frames, then label and save the plot.

    Args:
        size: Width and height in inches.
        origin: Description of what made the numbers, stored in the file's metadata.
        layout: None to place the axes oneself: measuring all texts takes as long as drawing them.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # slow to import
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout=layout)
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
    """Write a plot as PNG; the file is complete or absent.

    Args:
        origin: Description of what made the numbers, stored in the file's metadata.

    Raises:
        UserError: If the file would replace one that states no origin.
    """
    refuse_other_picture(path)
    with atomic_file(path) as file:
        figure.savefig(file, format="png", dpi=dpi, metadata={ORIGIN_KEY: origin})
