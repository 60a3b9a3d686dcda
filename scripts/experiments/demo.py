"""Run the whole pipeline at a small size, as scripts/demo.sh does; writes out/demo/summary.json."""

import json
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from im2mesh.build import build_config
from im2mesh.command_line import docstring_parser, exit_status
from im2mesh.errors import UserError
from im2mesh.evaluation.report import read_report
from im2mesh.evaluation.summary import SummaryRow, summarize
from im2mesh.evaluation.tables import format_table
from im2mesh.files.atomic import write_json, write_text
from im2mesh.machine.cores import available_cores, processor_name
from im2mesh.runs.folder import RunFolder
from im2mesh.runs.origins import ResultOrigin, list_origins
from im2mesh.runs.provenance import package_versions
from im2mesh.training.outlook import ROUGH_IOU

CONFIG = "configs/demo.yaml"
OUT = Path("out/demo")
SPLITS = {"test": "seen bodies, unseen motions", "test_new_individual": "unseen body"}
TABLE = "table.md"
SUMMARY, SECONDS = OUT / "summary.json", OUT / "seconds.json"
WORKERS = ["--workers", "2"]
BODIES = ["--bodies", "10", "--frames", "28", "--meshes", "held-out", "--surface-points", "4000"]
POINTS = ["--occupancy-points", "20000", "--near-surface-points", "4000"]
REPORTED = ("iou", "chamfer_l1", "correspondence_l2", "correspondence_l2_last")


def main(arguments: Sequence[str]) -> None:
    docstring_parser(__doc__, "python -m scripts.experiments.demo").parse_args(arguments)
    if SUMMARY.exists():
        print(f"the demo has run: see {OUT}; to run it again, remove that folder\n")
        print((OUT / TABLE).read_text())
        refuse_rough_bodies(json.loads(SUMMARY.read_text()))
        return
    config = build_config(CONFIG)
    run("bodies", ["scripts/make_bodies.py", config.data.root, *BODIES, *POINTS, *WORKERS])
    run("train", ["train.py", CONFIG])
    for split in SPLITS:
        run("generate", ["generate.py", CONFIG, "--split", split])
        run("evaluate", ["eval.py", CONFIG, "--split", split, *WORKERS])
    folder = RunFolder.of(config)
    reports = {split: read_report(folder.evaluation(split)) for split in SPLITS}
    summaries = {split: summarize(records) for split, (records, _) in reports.items()}
    origins = {split: origin for split, (_, origin) in reports.items()}
    table = format_table(summaries, markdown=True)
    write_text(OUT / TABLE, f"{table}\n{list_origins(origins)}")
    print("\n" + format_table(summaries))
    for split in SPLITS:
        sheet = ["--split", split, "--output", str(OUT / f"{split}.png")]
        run("pictures", ["scripts/draw.py", "sheet", CONFIG, *sheet])
    summary = demo_summary(summaries, origins)
    write_json(SUMMARY, summary)
    print(f"{summary['seconds']['total']:.0f} s in all; pictures: {OUT}/*.png, all else: {OUT}")
    refuse_rough_bodies(summary)


def refuse_rough_bodies(summary: dict[str, Any]) -> None:
    """End with an error if the bodies have no limbs: then the demo shows nothing.

    Raises:
        UserError: With the IoU of the splits that are too rough.
    """
    rough = [
        f"{split['iou']:.2f} for {split['what']}"
        for split in summary["splits"].values()
        if split["iou"] < ROUGH_IOU
    ]
    if rough:
        raise UserError(
            f"the demo ran to its end, but its bodies are rough: the IoU is {', '.join(rough)}, "
            f"where {ROUGH_IOU} is the least for arms and legs; see the output of its training"
        )


def run(stage: str, arguments: list[str]) -> None:
    """Run one script of this repository, and add its time to that of its stage."""
    print(f"\n$ python {' '.join(arguments)}", flush=True)
    started = time.monotonic()
    status = subprocess.run([sys.executable, *arguments], check=False).returncode
    seconds = stage_seconds()
    seconds[stage] = round(seconds.get(stage, 0.0) + time.monotonic() - started, 1)
    write_json(SECONDS, seconds)
    if status:
        raise UserError(f"{arguments[0]} ended with status {status}; start the demo again to go on")


def stage_seconds() -> dict[str, float]:
    """Seconds of each stage so far, those of interrupted runs included."""
    return json.loads(SECONDS.read_text()) if SECONDS.exists() else {}


def demo_summary(
    summaries: dict[str, list[SummaryRow]], origins: dict[str, ResultOrigin | None]
) -> dict[str, Any]:
    seconds = stage_seconds()
    return {
        "seconds": {**seconds, "total": round(sum(seconds.values()), 1)},
        "splits": {split: split_summary(split, rows) for split, rows in summaries.items()},
        "machine": machine(),
        "versions": package_versions(),
        "origins": {split: origin and origin.as_dict() for split, origin in origins.items()},
    }


def split_summary(split: str, rows: list[SummaryRow]) -> dict[str, str | float | int]:
    means = {row.metric: row for row in rows}
    return {
        "what": SPLITS[split],
        "windows": means["iou"].num_windows,
        **{metric: round(means[metric].mean, 5) for metric in REPORTED},
    }


def machine() -> dict[str, str | int]:
    return {
        "system": platform.platform(),
        "processor": processor_name(),
        "cores": available_cores(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
    }


if __name__ == "__main__":
    sys.exit(exit_status(main))
