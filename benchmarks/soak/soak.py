"""Starts, stops and uses one run over and over, and checks what must hold meanwhile."""

import itertools
import random
import re
import shutil
import signal
import time
from pathlib import Path

from benchmarks.soak.growth import measure_disk
from benchmarks.soak.processes import SoakError, Stop, WatchedCommand
from benchmarks.soak.report import LEFTOVERS, STARTS, Findings, Stage
from im2mesh.runs.checkpoints import load_checkpoint

CONFIG, SPLIT = "configs/demo_train.yaml", "test_new_individual"
MOTIONS = ["hips", "knees", "punching", "shake_arms", "one_leg_jump", "running_on_spot"]
NUM_WINDOWS = len(MOTIONS)  # the held-out body has a clip per motion, a clip one window
BODIES = ["--bodies", "3", "--frames", "20", "--motions", *MOTIONS, "--meshes", "held-out"]
POINTS = ["--surface-points", "1000", "--occupancy-points", "4000", "--near-surface-points", "1000"]
SAVE_EVERY = 20
OVERRIDES = [
    "training.max_iterations=1000000000", "training.num_workers=1",
    "training.batch_size=8", f"training.save_every={SAVE_EVERY}", "training.validate_every=50",
    "training.print_every=10", "validation.num_points=1000", "generation.threshold=0.2",
    "generation.upsampling_steps=1",
]  # fmt: skip

SHOWN = re.compile(r"\| (\d+)/\d+ \[")  # the iteration, in the progress bar
RESUMED = re.compile(r"resuming .* at iteration (\d+)")
LOST_PARENT = re.compile(r"^(?:BrokenPipe|ConnectionReset|ConnectionRefused|EOF)Error\b", re.M)
SAVED = re.compile(r"saved .* at iteration (\d+)")
GENERATED = re.compile(r"(\d+) windows? generated, (\d+) (?:was|were) finished before")
EVALUATED = re.compile(rf"Windows: {SPLIT} (\d+)")
NOT_FINITE = re.compile(r"=-?(nan|inf)\b|not finite")
PATIENCE = 300.0  # limit in seconds for what takes a few on two cores


class Soak:
    """One run that is started, stopped and used in turn.

    Args:
        out: Folder for everything.
        rng: Random numbers that decide when and how a training is stopped.
    """

    def __init__(self, out: Path, rng: random.Random) -> None:
        self.rng = rng
        self.run_folder, self.data, self.logs, self.temporary = (
            out / name for name in ("run", "data", "logs", "tmp")
        )
        for folder in (self.run_folder, self.logs, self.temporary):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        self.findings, self.num_commands = Findings(), 0
        overrides = [f"output_dir={self.run_folder}", f"data.root={self.data}"]
        self.config = [CONFIG, *overrides, *OVERRIDES]

    def make_data(self) -> None:
        self._run("bodies", ["scripts/make_bodies.py", str(self.data), *BODIES, *POINTS])

    def run(self, seconds: float, kills: int) -> None:
        """Do rounds for three quarters of the time, at least two; then one training without a stop.

        The time for making the data is not counted.
        """
        self.make_data()
        started = time.monotonic()
        steady = min(max(seconds / 20, 10.0), 60.0)
        while len(self.findings.disk) < 2 or time.monotonic() - started < 0.75 * seconds:
            self.round(kills, steady)
        rest = started + seconds - time.monotonic()
        self.train(Stop.INTERRUPT, max(rest, steady), "long")

    def round(self, kills: int, steady: float) -> None:
        before = self.saved_iteration()
        ways = list(Stop)
        self.rng.shuffle(ways)  # among 4 in a row, no two are equal
        for how in itertools.islice(itertools.cycle(ways), kills):
            self.train(how, self.rng.uniform(0.5, 8.0), "train")
        self.train(self.rng.choice([Stop.INTERRUPT, Stop.TERMINATE]), steady, "steady")
        self.generate()
        self.evaluate()
        disk = measure_disk(self.run_folder, self.temporary)
        self.findings.disk.append(disk)
        iteration = self.saved_iteration()
        print(f"round {len(self.findings.disk)}: iteration {iteration}, {disk.files} files")
        if iteration <= before:
            raise SoakError(f"no iteration was won in a whole round; see {self.logs}")
        if disk.half_written:
            raise SoakError(f"left at the end of a round: {', '.join(disk.half_written)}")

    def train(self, how: Stop, seconds: float, name: str) -> None:
        """Start or resume the training, stop it after `seconds`, and check that nothing is lost."""
        saved = self.saved_iteration()
        with self._command(f"train_{how.name.lower()}", ["train.py", *self.config]) as command:
            self.findings.counts[STARTS] += 1
            if how is not Stop.KILL:  # a kill may come even before the first step
                command.run_until(lambda: bool(command.workers()), PATIENCE)
            if name != "train":  # memory settles with the first validation
                command.run_until(lambda: "validation iou" in command.text(), PATIENCE)
            begun = len(command.samples)
            command.run_for(seconds)
            samples = tuple(command.samples[begun:])
            self._stop(command, how)
            status = command.wait(PATIENCE)
            self._count_leftovers(command)
        self.findings.stages.append(Stage(name, samples))
        check_end(command, how, status)
        self._check_iterations(command, how, saved)

    def generate(self) -> None:
        """Kill the generation after some windows, and run it again: it must skip these.

        It uses the last checkpoint. The best may be that of the round before, whose windows are all
        finished.
        """
        checkpoint = ["--checkpoint", str(self.run_folder / "model.pt")]
        arguments = ["generate.py", *self.config, "--split", SPLIT, *checkpoint]
        started = time.time()
        with self._command("generate_kill", arguments) as command:
            enough = self.rng.randint(1, NUM_WINDOWS - 2)
            command.run_until(lambda: self._windows_since(started) >= enough, PATIENCE)
            self._stop(command, Stop.KILL)
            command.wait(PATIENCE)
            self._count_leftovers(command)
        finished = self._windows_since(started)
        command = self._run("generate", arguments)
        generated, skipped = numbers(GENERATED, command)
        if (generated, skipped) != (NUM_WINDOWS - finished, finished):
            raise SoakError(
                f"{generated} windows generated and {skipped} skipped, but {finished} of "
                f"{NUM_WINDOWS} were finished: {command.log}"
            )
        self.findings.counts["windows generated"] += NUM_WINDOWS
        self.findings.counts["windows skipped, finished before a kill"] += skipped

    def evaluate(self) -> None:
        command = self._run("evaluate", ["eval.py", *self.config, "--split", SPLIT])
        (evaluated,) = numbers(EVALUATED, command)
        if evaluated != NUM_WINDOWS:
            raise SoakError(f"{evaluated} of {NUM_WINDOWS} windows evaluated: {command.log}")
        self.findings.counts["windows evaluated"] += evaluated

    def saved_iteration(self) -> int:
        """The iteration of the newest checkpoint; 0 if there is none."""
        paths = (self.run_folder / name for name in ("model.pt", "model_previous.pt"))
        return max(
            (load_checkpoint(path).state.iteration for path in paths if path.exists()), default=0
        )

    def _command(self, name: str, arguments: list[str]) -> WatchedCommand:
        self.num_commands += 1
        log = self.logs / f"{self.num_commands:04d}_{name}.log"
        return WatchedCommand(arguments, log, {"TMPDIR": str(self.temporary.resolve())})

    def _run(self, name: str, arguments: list[str]) -> WatchedCommand:
        """Run a command to its end."""
        with self._command(name, arguments) as command:
            status = command.wait(PATIENCE)
            self._count_leftovers(command)
        if status or "Traceback" in command.text():
            raise SoakError(f"status {status}: {command.log}")
        self.findings.stages.append(Stage(name, tuple(command.samples)))
        return command

    def _stop(self, command: WatchedCommand, how: Stop) -> None:
        self.findings.counts[f"stops by {how.value}"] += 1
        command.stop(how)

    def _count_leftovers(self, command: WatchedCommand) -> None:
        if number := command.count_leftovers():
            self.findings.counts[LEFTOVERS] += number
            print(f"{number} processes still there after the end of {command.log}")

    def _check_iterations(self, command: WatchedCommand, how: Stop, saved: int) -> None:
        """Check that a training went on from the newest checkpoint, and that its work is saved."""
        text, now = command.text(), self.saved_iteration()
        self.findings.counts["iterations"] = now
        if resumed := RESUMED.search(text):
            self.findings.counts["resumes"] += 1
            if int(resumed[1]) != saved:
                raise SoakError(f"went on at {resumed[1]}, but {saved} was saved: {command.log}")
        elif saved and how is not Stop.KILL:
            raise SoakError(f"did not go on from iteration {saved}: {command.log}")
        shown = [int(number) for number in SHOWN.findall(text)]
        if now < saved or (shown and shown[-1] - now > SAVE_EVERY):
            raise SoakError(f"iteration {now} is saved, {shown[-1:]} was reached: {command.log}")
        if how.saves and numbers(SAVED, command) != (now,):
            raise SoakError(f"iteration {now} is saved, not what it said: {command.log}")

    def _windows_since(self, started: float) -> int:
        summaries = self.run_folder.glob("generation/**/window.json")
        return sum(path.stat().st_mtime >= started for path in summaries)


def check_end(command: WatchedCommand, how: Stop, status: int) -> None:
    """Refuse an exit status or an output that does not fit how a training was stopped."""
    text = command.text()
    expected = {
        Stop.KILL: status == -signal.SIGKILL,
        Stop.KILL_WORKER: status > 0 and "worker" in text,
    }
    if not expected.get(how, status == 0):
        raise SoakError(f"status {status} after {how.value}: {command.log}")
    if count_failures(text, how) and how is not Stop.KILL_WORKER:
        raise SoakError(f"a traceback after {how.value}: {command.log}")
    if NOT_FINITE.search(text):
        raise SoakError(f"a loss that is not finite: {command.log}")


def count_failures(text: str, how: Stop) -> int:
    """Number of tracebacks, without those of workers that lost their parent to a SIGKILL."""
    orphans = len(LOST_PARENT.findall(text)) if how is Stop.KILL else 0
    return text.count("Traceback") - orphans


def numbers(pattern: re.Pattern[str], command: WatchedCommand) -> tuple[int, ...]:
    """The numbers that a command printed, as the groups of a pattern find them."""
    if (found := pattern.search(command.text())) is None:
        raise SoakError(f"nothing like {pattern.pattern!r} in {command.log}")
    return tuple(map(int, found.groups()))
