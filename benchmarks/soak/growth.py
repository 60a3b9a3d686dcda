"""Judge whether something grew, during one long run or from one round to the next."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from im2mesh.errors import UserError

FEWEST_SAMPLES = 8  # two in every quarter


@dataclass(frozen=True)
class Margin:
    """The growth that is accepted: a share of the value at the start, plus a constant."""

    share: float = 0.0
    constant: float = 0.0

    def limit(self, start: float) -> float:
        return start * (1 + self.share) + self.constant


MARGINS = {
    "memory": Margin(share=0.05, constant=20),  # MiB; allocators keep some of what was freed
    "handles": Margin(constant=10),  # batches on their way from a worker hold about as many
    "threads": Margin(constant=1),  # one may live for a moment
    "files": Margin(),
    "megabytes": Margin(share=0.05, constant=20),  # meshes get more vertices as training goes on
}


@dataclass(frozen=True)
class Verdict:
    """What was watched, its values at the start and at the end, and the limit for the end."""

    what: str
    start: float
    end: float
    limit: float

    @property
    def grew(self) -> bool:
        return self.end > self.limit


def growth_within(what: str, values: Sequence[float], margin: Margin) -> Verdict:
    """Compare the last quarter of one run with the second; the first is warming up.

    Raises:
        UserError: If there are too few values to tell.
    """
    if len(values) < FEWEST_SAMPLES:
        raise UserError(
            f"{what}: {len(values)} samples, but {FEWEST_SAMPLES} are needed; give it more minutes"
        )
    quarter = len(values) // 4
    start, end = median(values[quarter : 2 * quarter]), median(values[-quarter:])
    return Verdict(what, start, end, margin.limit(start))


def settled(values: Sequence[float]) -> float:
    """The level that a command reaches: the median over the second half of its time."""
    return median(values[len(values) // 2 :])


def growth_over(what: str, rounds: Sequence[float], margin: Margin) -> Verdict:
    """Compare the last third of the rounds with the first.

    Raises:
        UserError: If there is only one round.
    """
    if len(rounds) < 2:
        raise UserError(f"{what}: {len(rounds)} round, but 2 are needed; give it more minutes")
    third = max(1, len(rounds) // 3)
    start, end = median(rounds[:third]), median(rounds[-third:])
    return Verdict(what, start, end, margin.limit(start))


@dataclass(frozen=True)
class DiskUse:
    """What lies below the folder of a run, and in the folder for temporary files.

    Attributes:
        files: Number of files of the run, without event files and half-written files.
        megabytes: Size of these files.
        event_files: Number of TensorBoard's event files; every start of a training adds one.
        abandoned: Number of temporary files and folders, which a killed process cannot remove.
        half_written: Paths of half-written files; there must be none when no command runs.
    """

    files: int
    megabytes: float
    event_files: int
    abandoned: int
    half_written: tuple[str, ...]


def measure_disk(run: Path, temporary: Path) -> DiskUse:
    paths = {path for folder in (run, temporary) for path in folder.rglob("*") if path.is_file()}
    events = {path for path in paths if path.name.startswith("events.out.tfevents")}
    half_written = {path for path in paths if path.suffix == ".tmp"}
    abandoned = set(temporary.glob("*"))
    others = {path for path in paths - events - half_written if temporary not in path.parents}
    size = sum(path.stat().st_size for path in others)
    names = tuple(sorted(map(str, half_written)))
    return DiskUse(len(others), size / 1e6, len(events), len(abandoned), names)
