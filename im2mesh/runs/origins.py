"""The origins of meshes, codes and measured numbers (for the words, see `provenance`)."""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from im2mesh.files.hashes import hash_text
from im2mesh.runs.provenance import Provenance

Notes = Sequence[dict[str, Any]]
"""Notes (see `provenance`), such as those of a training, in the order of its stretches."""


class Origin(ABC):
    """All that made a result: in words (`str`), as a dictionary for files, and as a hash."""

    @property
    def id(self) -> str:
        """A short hash for every line of a table; the text beside the table explains it."""
        return hash_text(json.dumps(self.as_dict()))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Origin) and self.as_dict() == other.as_dict()

    def __hash__(self) -> int:
        return hash(self.id)

    @abstractmethod
    def as_dict(self) -> dict[str, Any]: ...

    @abstractmethod
    def __str__(self) -> str: ...


@dataclass(frozen=True, eq=False)
class RunOrigin(Origin):
    """The origin of meshes, codes or bodies.

    Attributes:
        run: Run hash, equal for all windows of a run.
        made_by: Provenance of the stage that made them.
        trained_by: Notes of the training, one per stretch (see `continued`); empty for a method
            without weights.
    """

    run: str
    made_by: Provenance
    trained_by: Notes = ()

    def as_dict(self) -> dict[str, Any]:
        return {"run": self.run, **self.made_by.as_dict(), "trained_by": list(self.trained_by)}

    def __str__(self) -> str:
        trained = _trained(self.trained_by)
        return f"Origin {self.id}. Run {self.run}: {self.made_by}{trained}."


@dataclass(frozen=True, eq=False)
class ResultOrigin(Origin):
    """The origin of measured numbers.

    Attributes:
        evaluated_by: Provenance of the evaluation.
        meshes_by: Notes of the origins of the measured meshes, one per version of code and
            libraries; empty if generate.py did not make them.
        files: Hash of the measured files and of what their coordinates mean, if another program
            made them.
        weights: Hash of the model's weights, if the model itself was measured.
        trained_by: Notes of the training of that model, one per stretch.
    """

    evaluated_by: Provenance
    meshes_by: Notes = ()
    files: str | None = None
    weights: str | None = None
    trained_by: Notes = ()

    @property
    def runs(self) -> set[str]:
        """Run hashes of the measured meshes, if generate.py made them."""
        return {note["run"] for note in self.meshes_by}

    def as_dict(self) -> dict[str, Any]:
        asked = {"weights": self.weights, "trained_by": list(self.trained_by)}
        return {
            "evaluated_by": self.evaluated_by.as_dict(),
            "meshes_by": list(self.meshes_by),
            **({} if self.files is None else {"files": self.files}),
            **({} if self.weights is None else asked),
        }

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> "ResultOrigin":
        """The inverse of `as_dict`.

        Raises:
            KeyError, TypeError, ValueError: If the content is not such a dictionary.
        """
        origin = cls(
            Provenance(**content["evaluated_by"]),
            [dict(note) for note in content["meshes_by"]],
            content.get("files"),
            content.get("weights"),
            [dict(note) for note in content.get("trained_by", ())],
        )
        _ = str(origin)  # fails here, not later, if a note lacks an entry
        return origin

    def __str__(self) -> str:
        parts = [f"Origin {self.id}"]
        if self.weights is not None:
            parts.append(f"Weights {self.weights}{_trained(self.trained_by)}")
        if self.meshes_by:
            noted = (f"run {note['run']} by {_told(note)}{_trained(note.get('trained_by', ()))}"
                     for note in self.meshes_by)  # fmt: skip
            parts.append(f"Meshes: {'; '.join(noted)}")
        if self.files is not None:
            parts.append(f"Meshes made by another program (hash of the files: {self.files})")
        return f"{'. '.join(parts)}. Evaluation: {self.evaluated_by}."


def list_origins(origins: Mapping[str, Origin | str | None]) -> str:
    """One line per run of a table: its name and its origin; None is unknown."""
    lines = (f"- {name}: {origin or 'unknown'}\n" for name, origin in origins.items())
    return "".join(lines)


def origins_section(*lists: str) -> str:
    """The last section of a report in Markdown, made of texts of `list_origins`."""
    return "\n## Origins\n\n" + "\n".join(lists)


def continued(before: Notes, now: Provenance, iteration: int) -> list[dict[str, Any]]:
    """The notes of a training that goes on at an iteration: one per stretch of training with
    unchanged provenance. The entry `since` is the first iteration of the stretch."""
    note = now.as_dict()
    if before and {k: v for k, v in before[-1].items() if k != "since"} == note:
        return list(before)
    return [*before, {"since": iteration, **note}]


def _trained(notes: Notes) -> str:
    return f"; {tell_training(notes)}" if notes else ""


def tell_training(notes: Notes) -> str:
    """The notes of a training in words, stretch by stretch."""
    stretches = (
        _told(note) + f", data {note['dataset']}"
        + (f" from iteration {note['since']}" if note["since"] else " anew" if number else "")
        for number, note in enumerate(notes)
    )  # fmt: skip
    return f"trained by {', then '.join(stretches)}"


def _told(note: dict[str, Any]) -> str:
    in_precision = f", in {note['precision']}" if "precision" in note else ""
    return f"code {note['code']}, config {note['config']}, seed {note['seed']}{in_precision}"
