"""Records -> one mean per metric."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from im2mesh.evaluation.metric_info import METRICS
from im2mesh.evaluation.records import Record


@dataclass(frozen=True)
class SummaryRow:
    """One metric of one split: the mean over frames, then over windows.

    Attributes:
        metric: A key of METRICS, or any other name found in the records.
        mean: Mean over windows of the means over frames.
        std: Standard deviation (population) over windows of the means over frames.
        num_windows: Number of windows that have this metric.
    """

    metric: str
    mean: float
    std: float
    num_windows: int


def summarize(records: Sequence[Record]) -> list[SummaryRow]:
    """Average every metric over frames, then over windows, so that every window counts the same.

    The rows come in the order of METRICS, correspondence_l2_last among them.
    """
    per_window: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for r in with_last_frame(records):
        per_window[r.metric][r.window].append(r.value)
    known = list(METRICS)
    rows = []
    for name in sorted(per_window, key=lambda n: known.index(n) if n in known else len(known)):
        means = [np.mean(values) for values in per_window[name].values()]
        rows.append(SummaryRow(name, float(np.mean(means)), float(np.std(means)), len(means)))
    return rows


def with_last_frame(records: Sequence[Record]) -> list[Record]:
    """Repeat each window's last correspondence_l2 at the end, as correspondence_l2_last."""
    last: dict[str, Record] = {}
    for r in records:
        is_last = r.window not in last or r.frame > last[r.window].frame
        if r.metric == "correspondence_l2" and is_last:
            last[r.window] = r
    return [*records, *(replace(r, metric="correspondence_l2_last") for r in last.values())]
