"""What a check found in one clip, or in the split files of a category."""

from collections.abc import Iterable
from dataclasses import dataclass, field

_SHOWN = 3  # frames that a line names


@dataclass
class Findings:
    """Faults, which have to be mended, and advice, which may be as meant.

    Attributes:
        where: Clip or split file, as a user names it.
        faults, advice: What is wrong and the way out -> the frames where it was found.
    """

    where: str
    faults: dict[str, list[str]] = field(default_factory=dict)
    advice: dict[str, list[str]] = field(default_factory=dict)

    def fault(self, text: str, frame: str | None = None) -> None:
        self.faults.setdefault(text, []).extend([] if frame is None else [frame])

    def advise(self, text: str, frame: str | None = None) -> None:
        self.advice.setdefault(text, []).extend([] if frame is None else [frame])

    def lines(self) -> list[str]:
        """One line per fault, then one per advice."""
        faults = [f"{self.where}: {_line(*item)}" for item in self.faults.items()]
        return faults + [f"{self.where}: (advice) {_line(*item)}" for item in self.advice.items()]


def num_faults(findings: Iterable[Findings]) -> int:
    return sum(len(found.faults) for found in findings)


def _line(text: str, frames: list[str]) -> str:
    if not frames:
        return text
    more = f" and {len(frames) - _SHOWN} more" if len(frames) > _SHOWN else ""
    return f"frame {', '.join(frames[:_SHOWN])}{more}: {text}"
