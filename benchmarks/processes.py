"""Runs one worker process per measurement, so that none uses memory or caches of another."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from im2mesh.errors import UserError

HERE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Bench:
    """Where measurements are made.

    Attributes:
        data: Synthetic bodies with 100k points a frame.
        out: Folder for everything that is written.
        device: Device of the networks.
        overrides: key=value, set in every configuration; overrides of a measurement win over them.
    """

    data: Path
    out: Path
    device: str
    overrides: tuple[str, ...] = ()

    def measure(
        self, row: str, *overrides: str, checkout: Path = HERE, repeats: int | None = None
    ) -> dict[str, Any]:
        """What the worker prints for one row: seconds (median, min, max), memory in bytes, ...

        Raises:
            UserError: If the worker fails; it has the last line of the output.
        """
        command = [sys.executable, "-m", "benchmarks.worker", row, "--checkout", str(checkout)]
        command += ["--data", str(self.data), "--out", str(self.out), "--device", self.device]
        command += [] if repeats is None else ["--repeats", str(repeats)]
        command += [*self.overrides, *overrides]
        done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise UserError(f"'{row}' in {checkout} failed: {reason}")
        return json.loads(done.stdout.splitlines()[-1])
