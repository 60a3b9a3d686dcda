"""The report of a soak: what was watched, how it ended, and a picture of memory and handles."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from benchmarks.soak.growth import (
    MARGINS,
    DiskUse,
    Verdict,
    growth_over,
    growth_within,
    settled,
)
from benchmarks.soak.processes import SECONDS_TO_DIE, Sample, Stop
from im2mesh.evaluation.plots import save_figure
from im2mesh.files.atomic import write_text
from im2mesh.runs.provenance import software

HELD = {"memory": " [MiB]", "handles": "", "threads": ""}  # fields of `Sample` -> unit
LEVELS = {"steady": settled, "generate": max, "evaluate": max}
"""How the samples of a stage become one level. Short stages load libraries for half of their time,
so their median would only tell how busy the machine is."""
STARTS, LEFTOVERS = "starts of training", "left-over processes"
COLORS = {
    "bodies": "silver",
    "train": "lightsteelblue",
    "steady": "tab:blue",
    "long": "navy",
    "generate": "tab:orange",
    "evaluate": "tab:green",
}


@dataclass(frozen=True)
class Stage:
    """The samples of one command, or of the part that can be compared over rounds.

    Attributes:
        name: "train" for a training that is stopped early, "steady" for the one of a round that
            runs on for a while, "long" for the last one; else "bodies", "generate" or "evaluate".
    """

    name: str
    samples: tuple[Sample, ...]

    def values(self, what: str) -> list[float]:
        return [getattr(sample, what) for sample in self.samples]


@dataclass
class Findings:
    """Everything a soak has seen so far."""

    stages: list[Stage] = field(default_factory=list)
    disk: list[DiskUse] = field(default_factory=list)
    """Measured at the end of every round."""
    counts: Counter[str] = field(default_factory=Counter)
    """How often each thing happened: stops of each kind, starts, resumes, windows and so on."""

    def named(self, name: str) -> list[Stage]:
        return [stage for stage in self.stages if stage.name == name]


def judge(findings: Findings) -> list[Verdict]:
    """A verdict on each thing that must not grow.

    Raises:
        UserError: If the soak was too short to tell.
    """
    return [*_judge_held(findings), *_judge_left(findings)]


def _judge_held(findings: Findings) -> Iterator[Verdict]:
    (long,) = findings.named("long")
    for what, unit in HELD.items():
        title = f"within the last training: {what}{unit}"
        yield growth_within(title, long.values(what), MARGINS[what])
    for name, level in LEVELS.items():
        for what, unit in HELD.items():
            rounds = [level(stage.values(what)) for stage in findings.named(name)]
            yield growth_over(f"over rounds: {what} of {name}{unit}", rounds, MARGINS[what])


def _judge_left(findings: Findings) -> Iterator[Verdict]:
    for what in ("files", "megabytes"):
        rounds = [getattr(disk, what) for disk in findings.disk]
        yield growth_over(f"over rounds: {what} of the run", rounds, MARGINS[what])
    counts, last = findings.counts, findings.disk[-1]
    kills = sum(counts[f"stops by {how.value}"] for how in Stop if not how.saves)
    yield Verdict("event files, one per start", 0, last.event_files, counts[STARTS])
    yield Verdict("left in TMPDIR, one per SIGKILL", 0, last.abandoned, kills)
    yield Verdict(f"processes left {SECONDS_TO_DIE:.0f} s after a stop", 0, counts[LEFTOVERS], 0)


def format_verdicts(verdicts: Sequence[Verdict]) -> str:
    lines = ["| what | start | end | limit | verdict |", "| --- | --- | --- | --- | --- |"]
    for verdict in verdicts:
        numbers = (verdict.start, verdict.end, verdict.limit)
        cells = [verdict.what, *(f"{round(number, 1):g}" for number in numbers)]
        lines.append(f"| {' | '.join(cells)} | {'GREW' if verdict.grew else 'ok'} |")
    return "\n".join(lines) + "\n"


def write_report(
    path: Path, headline: str, findings: Findings, verdicts: Sequence[Verdict], problem: str
) -> None:
    """Write the report as Markdown; `problem` is what ended the soak early, if anything."""
    counts = "".join(f"- {name}: {count}\n" for name, count in sorted(findings.counts.items()))
    parts = [
        f"# Soak\n\n{headline}\n",
        f"**Failed:** {problem}\n" if problem else "",
        format_verdicts(verdicts) if verdicts else "",
        f"## What was done\n\n{counts}",
        "![Memory and open file handles over time](memory.png)\n",
        f"Made by {software()}.\n",
    ]
    write_text(path, "\n".join(part for part in parts if part))


def plot(path: Path, findings: Findings) -> None:
    figure = Figure(figsize=(10, 6), layout="constrained")
    FigureCanvasAgg(figure)
    memory, handles = figure.subplots(2, sharex=True)
    zero = min((s.time for stage in findings.stages for s in stage.samples), default=0.0)
    for axes, what in ((memory, "memory"), (handles, "handles")):
        labelled = set()
        for stage in findings.stages:
            minutes = [(sample.time - zero) / 60 for sample in stage.samples]
            label = None if stage.name in labelled else stage.name
            labelled.add(stage.name)
            axes.plot(minutes, stage.values(what), color=COLORS[stage.name], label=label, lw=1.2)
        axes.grid(alpha=0.3)
        axes.set_ylim(bottom=0)
        axes.spines[["top", "right"]].set_visible(False)
    memory.set(title="all processes of the command together", ylabel="memory [MiB]")
    legend = memory.get_legend_handles_labels()
    figure.legend(*legend, frameon=False, ncols=len(COLORS), loc="outside lower center")
    handles.set(xlabel="minutes", ylabel="open file handles")
    save_figure(figure, path, software(), dpi=120)
