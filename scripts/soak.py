"""Train, kill, resume, generate and evaluate over and over; fail if anything grew.

Example: python scripts/soak.py --minutes 60
A round starts and kills a training in every way there is, lets it run on for a while, then
generates (killed once in the middle) and evaluates. The last quarter of the time is one training
without a stop. Afterwards no memory, file handle, thread, process or file may be left that was not
there before, and every training must have gone on where it was saved.

Writes report.md, memory.png and logs/ to the output folder. The run of an earlier soak there is
replaced, its data are used again. Linux only: everything is read from /proc.
"""

import argparse
import itertools
import random
import re
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from im2mesh.checkpoints import load_checkpoint
from im2mesh.command_line import exit_status
from im2mesh.errors import UserError
from scripts.soak_growth import measure_disk
from scripts.soak_processes import (
    SoakError,
    Stop,
    WatchedCommand,
    refuse_other_systems,
)
from scripts.soak_report import (
    LEFTOVERS,
    STARTS,
    Findings,
    Stage,
    format_verdicts,
    judge,
    plot,
    write_report,
)

CONFIG, SPLIT = "configs/demo.yaml", "test_new_individual"
MOTIONS = ["hips", "knees", "punching", "shake_arms", "one_leg_jump", "running_on_spot"]
NUM_WINDOWS = len(MOTIONS)  # of the body that is held out; one window per clip
BODIES = ["--bodies", "3", "--frames", "20", "--motions", *MOTIONS, "--meshes", "held-out"]
POINTS = ["--surface-points", "1000", "--occupancy-points", "4000", "--near-surface-points", "1000"]
SAVE_EVERY = 20
OVERRIDES = [
    "training.max_seconds=null", "training.max_iterations=1000000000", "training.num_workers=1",
    "training.batch_size=8", f"training.save_every={SAVE_EVERY}", "training.validate_every=50",
    "training.print_every=10", "validation.num_points=1000", "generation.threshold=0.2",
    "generation.upsampling_steps=1",
]  # fmt: skip

SHOWN = re.compile(r"\| (\d+)/\d+ \[")  # by the progress bar
RESUMED = re.compile(r"resuming .* at iteration (\d+)")
LOST_PARENT = re.compile(r"^(?:BrokenPipe|ConnectionReset|ConnectionRefused|EOF)Error\b", re.M)
SAVED = re.compile(r"saved .* at iteration (\d+)")
GENERATED = re.compile(r"(\d+) windows generated, (\d+) were finished before")
EVALUATED = re.compile(rf"Windows: {SPLIT} (\d+)")
NOT_FINITE = re.compile(r"=-?(nan|inf)\b|not finite")
PATIENCE = 300.0  # seconds for anything that takes a few on two cores


def main(arguments: Sequence[str]) -> None:
    args = _parse(arguments)
    refuse_other_systems()
    soak = Soak(args.out, random.Random(args.seed))
    problem, verdicts, started = "", [], time.monotonic()
    try:
        soak.run(60 * args.minutes, args.kills)
        verdicts = judge(soak.findings)
    except UserError as error:
        problem = str(error)
    minutes = (time.monotonic() - started) / 60
    grew = [verdict.what for verdict in verdicts if verdict.grew]
    outcome = "failed" if problem or grew else "nothing grew"
    headline = f"{minutes:.1f} minutes, seed {args.seed}: {outcome}."
    write_report(args.out / "report.md", headline, soak.findings, verdicts, problem)
    plot(args.out / "memory.png", soak.findings)
    print(f"{format_verdicts(verdicts)}\n{headline}\nwritten to {args.out / 'report.md'}")
    if problem or grew:
        print(f"error: {problem or 'grew: ' + '; '.join(grew)}", file=sys.stderr)
        sys.exit(1)


class Soak:
    """One run that is started, stopped and used in turn.

    Args:
        out: Folder for everything.
        rng: Decides when and how to stop.
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
        """Rounds for three quarters of the time, at least two; then one training without a stop.

        Making the data comes on top.
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
        self.rng.shuffle(ways)  # of 4 in a row, each is another
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
            if how is not Stop.KILL:  # which may come at any time, also before the first step
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
        """Kill the generation after some windows, and run it again: these are skipped.

        From the last checkpoint, not from the best: that may be the one of the round before, whose
        windows are all finished.
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
        """Of the newest checkpoint, 0 without one."""
        paths = (self.run_folder / name for name in ("model.pt", "model_previous.pt"))
        return max((load_checkpoint(path).iteration for path in paths if path.exists()), default=0)

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
        """It went on from the newest checkpoint, and what it did is saved now."""
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
    """Refuse a status or an output that does not follow from how a training was stopped."""
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
    """Tracebacks, but for those of workers whose training was killed while they sent to it."""
    orphans = len(LOST_PARENT.findall(text)) if how is Stop.KILL else 0
    return text.count("Traceback") - orphans


def numbers(pattern: re.Pattern[str], command: WatchedCommand) -> tuple[int, ...]:
    """What a command printed in the groups of a pattern."""
    if (found := pattern.search(command.text())) is None:
        raise SoakError(f"nothing like {pattern.pattern!r} in {command.log}")
    return tuple(map(int, found.groups()))


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--minutes", type=float, default=60.0, help="in all, but for the data (default 60)")
    add("--kills", type=int, default=4, help="early stops per round (default 4: each kind once)")
    add("--seed", type=int, default=0, help="of the moments and the order of the stops")
    add("--out", type=Path, default=Path("out/soak"), metavar="FOLDER", help="default out/soak")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(exit_status(main))
