"""A user with the ball's data and a small config: what is done, and the message that follows."""

import math
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import Tensor

import eval as evaluation
import generate
import train
from im2mesh.command_line import EXIT_USER_ERROR, exit_status
from im2mesh.models.decoders import DecoderCBatchNorm
from im2mesh.reconstruction import Reconstructor
from tests.ball import write_ball_images
from tests.small import write_small_config

ROOT = Path(__file__).parents[1]
HOLD_LOCK = """
import sys
from pathlib import Path
from im2mesh.machine.locks import only_process
with only_process(Path(sys.argv[1]), "run"):
    print("held", flush=True)
    sys.stdin.read()
"""


@dataclass(frozen=True)
class User:
    """Works in a folder of its own with small.yaml, whose output_dir is run/.

    All names of files are relative to that folder. What the user has or does to files returns the
    user; a command must be refused and returns the message.

    Attributes:
        folder: The working directory.
        ball_root: The data of small.yaml, unless `has_own_data`. Shared by all, so read-only.
        finished_run: A run that was trained, generated and evaluated. Shared likewise.
        capture: Of what is printed.
        patch: Undone after the test.
    """

    folder: Path
    ball_root: Path
    finished_run: Path
    capture: pytest.CaptureFixture[str]
    patch: pytest.MonkeyPatch

    def has_trained(self, folder: str = "run") -> "User":
        """A copy of the finished run."""
        shutil.copytree(self.finished_run, self.folder / folder)
        return self

    def has_own_data(self) -> "User":
        """A copy of the data in data/."""
        shutil.copytree(self.ball_root, self.folder / "data")
        write_small_config(self.folder, self.folder / "data")
        return self

    def has_own_images(self) -> "User":
        """The same with two views of every clip."""
        self.has_own_data()
        write_ball_images(self.folder / "data", num_views=2, size=16)
        return self

    def loses(self, name: str) -> "User":
        path = self.folder / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
        return self

    def writes(self, name: str, content: str | bytes) -> "User":
        data = content.encode() if isinstance(content, str) else content
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_bytes(data)
        return self

    def makes(self, folder: str) -> "User":
        (self.folder / folder).mkdir()
        return self

    def links(self, name: str, target: str) -> "User":
        """To another folder of the user."""
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / name).symlink_to(self.folder / target)
        return self

    def replaces(self, name: str, old: str, new: str) -> "User":
        text = (self.folder / name).read_text()
        assert old in text
        return self.writes(name, text.replace(old, new))

    def cuts(self, name: str) -> "User":
        """Keep the first half of a file, as of a copy that was stopped."""
        content = (self.folder / name).read_bytes()
        return self.writes(name, content[: len(content) // 2])

    def stores(self, name: str, **changes: np.ndarray | None) -> "User":
        """Change arrays of an npz file; None leaves one out."""
        with np.load(self.folder / name) as stored:
            arrays = {**stored, **changes}
        kept = {key: array for key, array in arrays.items() if array is not None}
        np.savez(self.folder / name, **kept)
        return self

    def sets(self, **variables: str) -> "User":
        """Of the environment."""
        for name, value in variables.items():
            self.patch.setenv(name, value)
        return self

    def has_a_machine_where(self, owner: object, function: str, error: Exception) -> "User":
        """A function of the system or of a library fails, whatever it is given."""

        def fail(*arguments: object, **options: object) -> None:
            raise error

        self.patch.setattr(owner, function, fail)
        return self

    def lacks(self, library: str) -> "User":
        """An extra that is not installed."""
        self.patch.setitem(sys.modules, library, None)
        return self

    def has_diverged(self) -> "User":
        """Whatever occupancy is asked for, it is not finite; in training all is well."""
        decode = DecoderCBatchNorm.forward

        def forward(decoder: DecoderCBatchNorm, *inputs: Any) -> Tensor:
            return decode(decoder, *inputs) * (1 if decoder.training else math.nan)

        self.patch.setattr(DecoderCBatchNorm, "forward", forward)
        return self

    def trains_twice_at_once(self) -> str:
        """What the second training says."""
        lock = self.folder / "run" / "lock"
        command = [sys.executable, "-c", HOLD_LOCK, str(lock)]
        with subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as first:
            assert first.stdout is not None
            assert first.stdout.readline() == b"held\n"
            return self.trains()

    def trains(self, *arguments: object, config: str | Path = "small.yaml") -> str:
        return self.sees(train.main, config, "--device", "cpu", *arguments)

    def generates(self, *arguments: object, config: str | Path = "small.yaml") -> str:
        return self.sees(generate.main, config, "--device", "cpu", *arguments)

    def evaluates(self, *arguments: object) -> str:
        return self.sees(evaluation.main, "small.yaml", *arguments)

    def sees(self, main: Callable[[Sequence[str]], None], *arguments: object) -> str:
        """What an entry point says after `error: `.

        A progress bar, or the usage where an argument itself is wrong, may come before.
        """
        self.capture.readouterr()
        try:
            status = exit_status(main, [str(argument) for argument in arguments])
        except SystemExit as stop:  # argparse
            status = stop.code
        _, _, message = self.capture.readouterr().err.partition("error: ")
        assert status == EXIT_USER_ERROR
        assert "Traceback" not in message
        return message

    def reconstructs(self, *arguments: object, **options: object) -> str:
        """What the library raises, asked for the model of the finished run."""
        model = self.finished_run / "model_best.pt"
        reconstruct: Callable = Reconstructor.from_checkpoint(model, device="cpu")
        with pytest.raises(ValueError) as caught:
            reconstruct(*arguments, **options)
        return str(caught.value)
