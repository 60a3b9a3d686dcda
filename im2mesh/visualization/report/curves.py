"""Metrics over the frames of a window, as the numbers that curves.js draws."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from im2mesh.evaluation.metric_info import metric_info
from im2mesh.evaluation.plots import values_by_frame
from im2mesh.evaluation.records import Record


def metric_curves(records: Mapping[str, Sequence[Record]]) -> list[dict[str, Any]]:
    """One curve per metric that changes over frames, with a line per run or split.

    Args:
        records: Name of a line -> its records.
    """
    names = dict.fromkeys(r.metric for of_line in records.values() for r in of_line)
    curves = []
    for metric in names:
        lines = [_line(name, of_line, metric) for name, of_line in records.items()]
        lines = [line for line in lines if len(line["frames"]) > 1]
        info = metric_info(metric)
        if lines and any(value for line in lines for value in line["mean"]):
            title = f"{info.title}{f', {info.better} is better' if info.better else ''}"
            curves.append({"title": title, "digits": info.digits, "lines": lines})
    return curves


def _line(name: str, records: Sequence[Record], metric: str) -> dict[str, Any]:
    """The mean over windows, and the middle 80 % of them, for each frame."""
    by_frame = values_by_frame(records, metric)
    spread = [np.percentile(values, (10, 90)) for values in by_frame.values()]
    return {
        "name": name,
        "frames": list(by_frame),
        "mean": [float(np.mean(values)) for values in by_frame.values()],
        "low": [float(low) for low, _ in spread],
        "high": [float(high) for _, high in spread],
    }
