"""What made the meshes, codes and numbers of a result, training included."""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from im2mesh.provenance import Provenance, hash_text

Notes = Sequence[dict[str, Any]]
"""Provenances as files have them, each with what its place adds."""


class Origin(ABC):
    """What made a result, in words, as a dictionary, and as a hash."""

    @property
    def id(self) -> str:
        """Short, to be carried by every line of a table; the words explain it."""
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
    """What made meshes or codes.

    Attributes:
        run: Hash of weights and settings: the same for all windows of a run.
        made_by: Code, config, data, seed and libraries.
        trained_by: The same of the training, by stretches (see `continued`); empty for a method
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
    """What made measured numbers.

    Attributes:
        evaluated_by: Code, settings, data and libraries of the evaluation.
        meshes_by: Of the meshes that were measured, if they are ours: an entry of `RunOrigin` for
            each version of code and libraries.
        files: Of the meshes that were measured, if they are of another program: a hash of these
            files as they are, and of what their coordinates mean.
        weights: Hash of the model's weights, if the model itself was asked.
        trained_by: What trained that model, as of `RunOrigin`.
    """

    evaluated_by: Provenance
    meshes_by: Notes = ()
    files: str | None = None
    weights: str | None = None
    trained_by: Notes = ()

    @property
    def runs(self) -> set[str]:
        """Of which run the meshes are, if they are ours."""
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
            KeyError, TypeError, ValueError: If the content is of something else.
        """
        origin = cls(
            Provenance(**content["evaluated_by"]),
            [dict(note) for note in content["meshes_by"]],
            content.get("files"),
            content.get("weights"),
            [dict(note) for note in content.get("trained_by", ())],
        )
        _ = str(origin)  # needs what the notes are to tell
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
            parts.append(f"Meshes: of another program, files {self.files}")
        return f"{'. '.join(parts)}. Evaluation: {self.evaluated_by}."


def list_origins(origins: Mapping[str, Origin | str | None]) -> str:
    """A line for each of several runs, such as stand in one table; None is unknown."""
    lines = (f"- {name}: {origin or 'unknown'}\n" for name, origin in origins.items())
    return "".join(lines)


def origins_section(*lists: str) -> str:
    """The end of a report in Markdown: one or several of `list_origins`."""
    return "\n## Origins\n\n" + "\n".join(lists)


def continued(before: Notes, now: Provenance, iteration: int) -> list[dict[str, Any]]:
    """What trains a model: one note per stretch of training by the same code, settings, data, seed
    and libraries; `since` is its first iteration."""
    note = now.as_dict()
    if before and {k: v for k, v in before[-1].items() if k != "since"} == note:
        return list(before)
    return [*before, {"since": iteration, **note}]


def _trained(notes: Notes) -> str:
    return f"; {tell_training(notes)}" if notes else ""


def tell_training(notes: Notes) -> str:
    """What trained a model, stretch by stretch."""
    stretches = (
        _told(note) + f", data {note['dataset']}"
        + (f" from iteration {note['since']}" if note["since"] else "")
        for note in notes
    )  # fmt: skip
    return f"trained by {', then '.join(stretches)}"


def _told(note: dict[str, Any]) -> str:
    return f"code {note['code']}, config {note['config']}, seed {note['seed']}"
