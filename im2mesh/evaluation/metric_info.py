"""The table of all metrics: name, unit, which direction is better, and which tool measures it."""

from dataclasses import dataclass
from typing import Literal

Tool = Literal["evaluation", "generation", "robustness", "motion", "generative", "scans", "seeds"]
"""The tool that measures a metric: eval.py, generate.py, one of the studies of
scripts/measure.py, latent.py measure (generative), or the summary over several seeds."""


@dataclass(frozen=True)
class MetricInfo:
    """One row of the table of metrics.

    Attributes:
        key: Name in files.
        heading: Name in words; says whether distances are squared.
        better: "higher", "lower", or "" where neither is better.
        unit: Unit of the values; "" for a pure number.
        short: Short name for the head of a column; "" takes the heading.
        digits: Number of digits printed after the decimal point.
        measured_by: Tool that measures the metric; metrics of different tools may share a key.
        of_frame: Attribute of `MeasuredFrame` with its value, such as distances.accuracy; empty
            for a metric that is not measured frame by frame.
    """

    key: str
    heading: str
    better: str
    unit: str = ""
    short: str = ""
    digits: int = 4
    measured_by: Tool = "evaluation"
    of_frame: str = ""

    @property
    def title(self) -> str:
        return f"{self.heading} [{self.unit}]" if self.unit else self.heading

    @property
    def name(self) -> str:
        return self.short or self.heading

    @property
    def column(self) -> str:
        return f"{self.name} [{self.unit}]" if self.unit else self.name


TABLE = (
    MetricInfo("iou", "IoU", "higher", digits=3, of_frame="iou"),
    MetricInfo(
        "chamfer_l1", "Chamfer-L1: mean of both distances, not squared", "lower", "length",
        "Chamfer-L1", of_frame="distances.chamfer_l1",
    ),
    MetricInfo(
        "chamfer_l2", "Chamfer-L2: sum of both squared distances", "lower", "length^2",
        "Chamfer-L2", 5, of_frame="distances.chamfer_l2",
    ),
    MetricInfo(
        "accuracy", "Accuracy: prediction to truth, not squared", "lower", "length", "Accuracy",
        of_frame="distances.accuracy",
    ),
    MetricInfo(
        "completeness", "Completeness: truth to prediction, not squared", "lower", "length",
        "Completeness", of_frame="distances.completeness",
    ),
    MetricInfo(
        "normal_consistency", "Normal consistency: mean absolute cosine", "higher",
        short="Normals", digits=3, of_frame="distances.normal_consistency",
    ),
    MetricInfo("correspondence_l2", "Correspondence, not squared", "lower", "length", "Corr."),
    MetricInfo(  # derived from the records of the last frame
        "correspondence_l2_last", "Correspondence of the last frame, not squared", "lower",
        "length", "Corr. last",
    ),
    MetricInfo(
        "empty", "Empty meshes, fraction of frames", "lower", short="Empty", digits=3,
        of_frame="empty",
    ),
    MetricInfo(
        "seconds", "Seconds per sequence, all stages of generate.py", "lower", "s", "Time", 2,
        "generation",
    ),
    MetricInfo(
        "nfe", "NFE: evaluations of the velocity field, or moves of a deformation, per sequence",
        "", short="NFE", digits=0, measured_by="generation",
    ),
    MetricInfo(
        "iou_0", "IoU of labelled points, first frame", "higher", digits=3,
        measured_by="robustness",
    ),
    MetricInfo(
        "iou_last", "IoU of labelled points, last frame", "higher", digits=3,
        measured_by="robustness",
    ),
    MetricInfo(
        "correspondence_l2", "Correspondence of surface points, not squared", "lower", "length",
        measured_by="robustness",
    ),
    MetricInfo(
        "correspondence_l2_last", "Correspondence of surface points, last frame, not squared",
        "lower", "length", measured_by="robustness",
    ),
    MetricInfo(
        "return_l2", "Forward to t = 1 and back: distance from the start, not squared", "lower",
        "length", "Return", 5, "motion",
    ),
    MetricInfo(
        "nfe", "Evaluations of the velocity field, or moves of a deformation, for 17 times", "",
        short="NFE", digits=0, measured_by="motion",
    ),
    MetricInfo(
        "seconds", "Time to carry points to 17 times", "lower", "s", "Time", measured_by="motion"
    ),
    MetricInfo(
        "volume_drift", "Volume: largest relative change over frames", "lower",
        short="Volume drift", measured_by="motion",
    ),
    MetricInfo(
        "overlap_last", "Self-overlap: share of the interior enclosed twice, last frame", "lower",
        short="Overlap", digits=5, measured_by="motion",
    ),
    MetricInfo(
        "overlap_increase", "Self-overlap of the last frame minus that of the first", "lower",
        short="Overlap gained", digits=5, measured_by="motion",
    ),
    MetricInfo(
        "iou", "IoU with the true body that moves as the other", "higher", short="IoU", digits=3,
        measured_by="generative",
    ),
    MetricInfo(
        "chamfer_l1", "Chamfer-L1 to that true body, not squared", "lower", "length",
        "Chamfer-L1", measured_by="generative",
    ),
    MetricInfo(
        "correspondence_l2", "Correspondence with that true body, not squared",
        "lower", "length", "Corr.", measured_by="generative",
    ),
    MetricInfo(
        "correspondence_l2_last", "Correspondence of the last frame, not squared", "lower",
        "length", "Corr. last", measured_by="generative",
    ),
    MetricInfo(
        "volume_error", "Volume: relative difference from the true one, mean over frames", "lower",
        short="Volume", digits=3, measured_by="generative",
    ),
    MetricInfo(
        "limb_error", "Lengths of arms and legs: relative difference from the true ones, mean over "
        "limbs and frames", "lower", short="Limbs", digits=3, measured_by="generative",
    ),
    MetricInfo(
        "one_piece", "Share of surfaces of one piece", "higher", short="One piece", digits=2,
        measured_by="generative",
    ),
    MetricInfo(
        "closed", "Share of watertight surfaces", "higher", short="Closed", digits=2,
        measured_by="generative",
    ),
    MetricInfo(
        "plausible", "Share whose volume and height lie, in every frame, in the range of true "
        "bodies or within a tenth of it", "higher", short="Plausible", digits=2,
        measured_by="generative",
    ),
    MetricInfo(
        "is_body", "Share of bodies: of one piece, closed and plausible", "higher", short="Bodies",
        digits=2, measured_by="generative",
    ),
    MetricInfo(
        "largest_step", "Largest step along a path between two windows, divided by the mean step",
        "lower", short="Largest step", digits=2, measured_by="generative",
    ),
    MetricInfo(
        "followed_l2", "True points followed from the first frame, mean of the later frames",
        "lower", "length", measured_by="scans",
    ),
    MetricInfo(
        "followed_l2_last", "True points followed from the first frame, last frame", "lower",
        "length", measured_by="scans",
    ),
    MetricInfo(
        "iou_0", "IoU of the meshes, first frame", "higher", digits=3, measured_by="scans"
    ),
    MetricInfo(
        "iou", "IoU of the meshes, mean over frames", "higher", digits=3, measured_by="scans"
    ),
    MetricInfo(
        "chamfer_l1", "Chamfer-L1 of the meshes, mean over frames, not squared", "lower", "length",
        measured_by="scans",
    ),
    MetricInfo(
        "seconds", "Processor time for the whole clip", "lower", "s", digits=1, measured_by="scans"
    ),
    MetricInfo("iou_0", "IoU at t = 0", "higher", digits=3, measured_by="seeds"),
    MetricInfo("iou_last", "IoU, last frame", "higher", digits=3, measured_by="seeds"),
    MetricInfo("steps", "Training steps", "", digits=0, measured_by="seeds"),
    MetricInfo("minutes", "Training minutes", "", digits=1, measured_by="seeds"),
    MetricInfo("seconds", "Seconds per window", "lower", digits=2, measured_by="seeds"),
)  # fmt: skip
"""All metrics, in the order in which tables show them."""


def metrics_of(*tools: Tool) -> dict[str, MetricInfo]:
    """Key -> metric, for the metrics of the given tools; of equal keys the last one counts."""
    return {metric.key: metric for metric in TABLE if metric.measured_by in tools}


METRICS = metrics_of("evaluation", "generation")
"""The metrics of a run that was generated and evaluated."""


def metric_info(key: str) -> MetricInfo:
    """The row of a metric of a run; for a metric that is not ours, a row headed by its key."""
    return METRICS.get(key, MetricInfo(key, key, ""))
