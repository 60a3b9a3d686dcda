"""Metrics over frames, and logged values over iterations, as the numbers that curves.js draws."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from im2mesh.evaluation.metric_info import metric_info
from im2mesh.evaluation.plots import values_by_frame
from im2mesh.evaluation.records import Record

LOSS = "loss/total"
NUM_STRETCHES = 40


def metric_curves(records: Mapping[str, Sequence[Record]]) -> list[dict[str, Any]]:
    """One curve per metric that changes over frames, with a line per run or split.

    Args:
        records: Name of a line -> its records.
    """
    names = dict.fromkeys(r.metric for of_line in records.values() for r in of_line)
    curves = []
    for metric in names:
        found = {name: values_by_frame(of_line, metric) for name, of_line in records.items()}
        lines = [_line(name, [*v], [*v.values()]) for name, v in found.items() if len(v) > 1]
        info = metric_info(metric)
        if lines and any(value for line in lines for value in line["mean"]):
            title = f"{info.title}{f', {info.better} is better' if info.better else ''}"
            curves.append({"title": title, "axis": "frame", "digits": info.digits, "lines": lines})
    return curves


def training_curves(
    logged: Mapping[str, Mapping[str, Mapping[int, float]]],
) -> list[dict[str, Any]]:
    """One curve for the loss and one per validation score, with a line per run.

    A loss is the mean over stretches of its iterations, and its band spans the middle 80 % of the
    steps there, since single steps jump.

    Args:
        logged: Name of a run -> tag -> iteration -> value (see `runs.logs`).
    """
    tags = dict.fromkeys(tag for of_run in logged.values() for tag in of_run)
    shown = [tag for tag in tags if tag == LOSS or tag.startswith("validation/")]
    curves = []
    for tag in sorted(shown, reverse=True):
        lines = [_stretches(name, run[tag]) for name, run in logged.items() if tag in run]
        lines = [line for line in lines if len(line["x"]) > 1]
        if lines:
            curves.append({"title": tag, "axis": "iteration", "digits": 4, "lines": lines})
    return curves


def _stretches(name: str, curve: Mapping[int, float]) -> dict[str, Any]:
    """At most NUM_STRETCHES stretches of a curve, each at the last of its iterations."""
    steps = np.array_split(np.array(sorted(curve)), min(len(curve), NUM_STRETCHES))
    values = [np.array([curve[int(k)] for k in stretch]) for stretch in steps]
    return _line(name, [int(stretch[-1]) for stretch in steps], values)


def _line(name: str, x: Sequence[int], values: Sequence[Sequence[float] | np.ndarray]) -> dict:
    """The mean of the values at each place, and the middle 80 % of them."""
    spread = [np.percentile(at_place, (10, 90)) for at_place in values]
    return {
        "name": name,
        "x": list(x),
        "mean": [float(np.mean(at_place)) for at_place in values],
        "low": [float(low) for low, _ in spread],
        "high": [float(high) for _, high in spread],
    }
