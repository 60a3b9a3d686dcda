"""The whole pipeline at a small size; see demo.sh. Writes out/demo/summary.json."""

import json
import platform
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import torch

from im2mesh.build import build_config
from im2mesh.errors import UserError
from im2mesh.reporting import SummaryRow, format_table, read_records, summarize
from im2mesh.run_folder import RunFolder

CONFIG = "configs/demo.yaml"
OUT = Path("out/demo")
SPLITS = {"test": "seen bodies, unseen motions", "test_new_individual": "unseen body"}
BODIES = ["--bodies", "10", "--frames", "34", "--surface-points", "4000"]
POINTS = ["--occupancy-points", "20000", "--near-surface-points", "8000"]
REPORTED = ("iou", "chamfer_l1", "correspondence_l2", "correspondence_l2_last")
PACKAGES = ("torch", "torchdiffeq", "numpy", "occupancy-flow")


def main() -> None:
    summary_file = OUT / "summary.json"
    if summary_file.exists():
        print(f"the demo has run: see {OUT}; to run it again, remove that folder\n")
        print(summary_file.read_text())
        return
    config = build_config(CONFIG)
    seconds = run_stages(str(config.data.root))
    folder = RunFolder.of(config)
    summaries = {
        split: summarize(read_records(folder.evaluation_records(split))) for split in SPLITS
    }
    table = format_table(summaries)
    (OUT / "table.md").write_text(format_table(summaries, markdown=True))
    summary = {
        "seconds": {**seconds, "total": round(sum(seconds.values()), 1)},
        "splits": {split: split_summary(split, rows) for split, rows in summaries.items()},
        "machine": machine(),
        "versions": {"python": platform.python_version()} | {p: version(p) for p in PACKAGES},
    }
    summary_file.write_text(json.dumps(summary, indent=2) + "\n")
    print("\n" + table)
    print(f"{summary['seconds']['total']:.0f} s in all; pictures: {OUT}/*.png, all else: {OUT}")


def run_stages(data_root: str) -> dict[str, float]:
    """Run the stages one after the other; seconds of each."""
    workers = ["--workers", "2"]
    bodies = ["scripts/make_bodies.py", data_root, *BODIES, *POINTS, *workers]
    seconds = {
        "bodies": run(bodies),
        "train": run(["train.py", CONFIG]),
        "generate": 0.0,
        "evaluate": 0.0,
        "pictures": 0.0,
    }
    for split in SPLITS:
        chosen = [CONFIG, "--split", split]
        sheet = str(OUT / f"{split}.png")
        seconds["generate"] += run(["generate.py", *chosen])
        seconds["evaluate"] += run(["eval.py", *chosen, *workers])
        seconds["pictures"] += run(["scripts/contact_sheet.py", *chosen, "--output", sheet])
    return {stage: round(value, 1) for stage, value in seconds.items()}


def run(arguments: list[str]) -> float:
    """Run one script of this repository; seconds it took."""
    print(f"\n$ python {' '.join(arguments)}", flush=True)
    started = time.monotonic()
    status = subprocess.run([sys.executable, *arguments], check=False).returncode
    if status:
        raise UserError(f"{arguments[0]} ended with status {status}; start the demo again to go on")
    return time.monotonic() - started


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
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
    }


def processor_name() -> str:
    """The model of the processor; Linux tells it in a file only."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("stopped; start the demo again to go on")
