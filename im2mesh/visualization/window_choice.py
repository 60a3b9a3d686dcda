"""Which windows to look at, by how well they were predicted."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from im2mesh.data.sequences import Window
from im2mesh.errors import UserError
from im2mesh.evaluation import Record
from im2mesh.metric_info import metric_info

BY_SHAPE = ("iou", "chamfer_l1")
BY_CORRESPONDENCE = ("correspondence_l2", "chamfer_l1")


def rank_windows(
    windows: Sequence[Window], records: Sequence[Record], metrics: Sequence[str]
) -> list[Window]:
    """The windows that have values of a metric, the best first, by the mean over frames.

    Args:
        windows: To choose from.
        records: Of their evaluation.
        metrics: The first that there is any value of counts.

    Raises:
        UserError: If no window has a value of any.
    """
    for metric in metrics:
        values = defaultdict(list)
        for r in records:
            if r.metric == metric:
                values[r.category, r.clip, r.start].append(r.value)
        means = {
            w: np.mean(values[w.category, w.clip, w.start])
            for w in windows
            if (w.category, w.clip, w.start) in values
        }
        if means:
            sign = -1 if metric_info(metric).better == "higher" else 1
            return sorted(means, key=lambda window: sign * means[window])
    raise UserError(f"no window of this split has a value of {' or '.join(metrics)}; run eval.py")


def best_median_worst(ranked: Sequence[Window]) -> dict[str, Window]:
    """By these names; the same window may come twice."""
    return {"best": ranked[0], "median": ranked[(len(ranked) - 1) // 2], "worst": ranked[-1]}
