"""The choice of windows to look at, by how well they were predicted."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from im2mesh.data.layout import Window
from im2mesh.errors import UserError
from im2mesh.evaluation.metric_info import metric_info
from im2mesh.evaluation.records import Record

BY_SHAPE = ("iou", "chamfer_l1")
BY_CORRESPONDENCE = ("correspondence_l2", "chamfer_l1")


def rank_windows(
    windows: Sequence[Window], records: Sequence[Record], metrics: Sequence[str]
) -> list[Window]:
    """The windows that have values of a metric, the best first, by the mean over frames.

    Args:
        windows: Windows to choose from.
        records: Records of their evaluation.
        metrics: Metrics in order of preference; the first that any window has counts.

    Raises:
        UserError: If no window has any of the metrics.
    """
    for metric in metrics:
        values = defaultdict(list)
        for r in records:
            if r.metric == metric:
                values[r.window].append(r.value)
        means = {w: np.mean(values[w.id]) for w in windows if w.id in values}
        if means:
            sign = -1 if metric_info(metric).better == "higher" else 1
            return sorted(means, key=lambda window: sign * means[window])
    raise UserError(f"no window of this split has a value of {' or '.join(metrics)}; run eval.py")


def best_median_worst(ranked: Sequence[Window]) -> dict[str, Window]:
    """The best, the median and the worst window; of few windows, one may come twice."""
    return {"best": ranked[0], "median": ranked[(len(ranked) - 1) // 2], "worst": ranked[-1]}
