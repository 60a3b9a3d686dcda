"""How each metric is called, read and printed, written once."""

from dataclasses import dataclass


@dataclass(frozen=True)
class MetricInfo:
    """How a metric is called, read and printed.

    Attributes:
        heading: In words; says whether distances are squared.
        better: "higher", "lower", or "" where neither is.
        unit: "" for a pure number.
        short: For the head of a column; the heading where left out.
        digits: Printed behind the point.
    """

    heading: str
    better: str
    unit: str = ""
    short: str = ""
    digits: int = 4

    @property
    def title(self) -> str:
        return f"{self.heading} [{self.unit}]" if self.unit else self.heading

    @property
    def name(self) -> str:
        return self.short or self.heading

    @property
    def column(self) -> str:
        return f"{self.name} [{self.unit}]" if self.unit else self.name


METRICS = {
    "iou": MetricInfo("IoU", "higher", digits=3),
    "chamfer_l1": MetricInfo(
        "Chamfer-L1: mean of both distances, not squared", "lower", "length", "Chamfer-L1"
    ),
    "chamfer_l2": MetricInfo(
        "Chamfer-L2: sum of both squared distances", "lower", "length^2", "Chamfer-L2", 5
    ),
    "accuracy": MetricInfo(
        "Accuracy: prediction to truth, not squared", "lower", "length", "Accuracy"
    ),
    "completeness": MetricInfo(
        "Completeness: truth to prediction, not squared", "lower", "length", "Completeness"
    ),
    "normal_consistency": MetricInfo(
        "Normal consistency: mean absolute cosine", "higher", short="Normals", digits=3
    ),
    "correspondence_l2": MetricInfo("Correspondence, not squared", "lower", "length", "Corr."),
    "correspondence_l2_last": MetricInfo(
        "Correspondence of the last frame, not squared", "lower", "length", "Corr. last"
    ),
    "empty": MetricInfo("Empty meshes, fraction of frames", "lower", short="Empty", digits=3),
    "seconds": MetricInfo(
        "Seconds per sequence, all stages of generate.py", "lower", "s", "Time", 2
    ),
    "nfe": MetricInfo(
        "NFE: evaluations of the velocity field, or moves of a deformation, per sequence",
        "",
        short="NFE",
        digits=0,
    ),
}
"""In the order of the tables.

correspondence_l2_last is derived from the last frame's records; seconds and nfe are no records of
eval.py but told by generate.py.
"""


def metric_info(name: str) -> MetricInfo:
    """What is known of a metric; one that is not ours goes by its name."""
    return METRICS.get(name, MetricInfo(name, ""))
