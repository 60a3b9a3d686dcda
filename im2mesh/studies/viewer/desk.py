"""The answers to what the page of the live viewer asks."""

import os
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from im2mesh.config.schema import DataConfig
from im2mesh.errors import UserError
from im2mesh.evaluation.predictions import Prediction
from im2mesh.meshing.frame_meshes import Reconstruction
from im2mesh.meshing.mesh_sequence import MeshSequence
from im2mesh.studies.viewer.clouds import Clouds
from im2mesh.studies.viewer.drops import Drops
from im2mesh.studies.viewer.live_model import GRIDS, LiveModel, Surface
from im2mesh.studies.viewer.remembering import remember
from im2mesh.studies.viewer.source import Frames, Shown, Source, Span
from im2mesh.visualization.color_bar import ErrorScale
from im2mesh.visualization.contact_sheet import inputs_by_frame
from im2mesh.visualization.panel import Panel, VertexErrors
from im2mesh.visualization.report.layers import later_content, window_content
from im2mesh.visualization.vertex_errors import vertex_errors
from im2mesh.visualization.viewer.question import Answer, Question, Route

WINDOW = DataConfig().num_frames
"""Frames of the windows into which clips are cut, unless a model reads another number."""
MOST_WINDOWS = 200
KEPT_WINDOWS = 4

ModelOf = Callable[[Source], LiveModel | None]
"""The model that answers for a thing, if there is one."""


class Desk:
    """Answers a page, which may be open in several browsers.

    Args:
        sources: What can be chosen.
        model_of: Gives the model of a thing.
        scale: Colours of errors.
    """

    def __init__(
        self, sources: Sequence[Source], model_of: ModelOf, scale: ErrorScale | None = None
    ) -> None:
        self._numbers = count()  # no thing ever gets the number of one that is gone
        self._sources: dict[int, Source] = dict(zip(self._numbers, sources, strict=False))
        self.model_of = model_of
        self.scale = ErrorScale() if scale is None else scale
        self._drops = Drops()
        self._items_of_batches: dict[str, list[int]] = {}
        self._windows: OrderedDict[Frames, tuple[Shown, dict[str, Any]]] = OrderedDict()
        self._lock = Lock()

    @property
    def sources(self) -> Mapping[int, Source]:
        """Number of an item -> what it is."""
        with self._lock:
            return dict(self._sources)

    @property
    def routes(self) -> dict[str, Route]:
        return {
            "GET /items": self.list_items,
            "GET /show": self.show,
            "POST /reconstruct": self.reconstruct,
            "GET /flow": self.flow,
            "POST /drop": self.drop,
            "POST /open": self.open,
        }

    def close(self) -> None:
        """Remove what was dropped."""
        self._drops.close()

    def list_items(self, _question: Question) -> Answer:
        """Everything that can be chosen."""
        return [
            {"id": number, "group": source.group, "name": source.name}
            for number, source in self.sources.items()
        ]

    def show(self, question: Question) -> Answer:
        """What there is of one thing, and the windows into which it may be cut."""
        item, source = self._source(question)
        model, trouble = self._model_or_trouble(source)
        spans = _spans(source, model)
        span = _span(question, spans)
        window, content = self._window(Frames(item, span, source.name), source)
        return {
            **content,
            "times": window.times.tolist(),
            "seconds": window.seconds,
            "note": f"{window.note} {trouble}".strip(),
            "spans": [_name(span) for span in spans],
            "span": spans.index(span),
            "model": None if model is None else _told(model),
        }

    def reconstruct(self, question: Question) -> Answer:
        """The meshes that the model makes of what is shown, and what it sees."""
        item, source = self._source(question)
        model = self._model(source)
        span = _span(question, _spans(source, model))
        window, _ = self._window(Frames(item, span, source.name), source)
        span = Span(span.start, len(window.times))
        title = f"{source.name}, {_name(span)}"
        asked = Surface(int(question.number("grid")), question.number("threshold"))
        seen = source.observe(span, model.config)
        made = model.reconstruct(Frames(item, span, title), seen, window.times, asked)
        meshes = made.meshes
        if meshes.is_empty:
            raise UserError(
                f"no probability reaches the threshold {asked.threshold:g}; lower it, or check "
                "that the input looks like the data of the training"
            )
        panel = Panel(
            title,
            [],
            dict(enumerate(meshes.meshes)),
            inputs_by_frame(seen.observation, window.times),
            errors=_errors(source, window, meshes),
        )
        box_of = window.panel.truth[0] if window.panel.truth else meshes.meshes[0]
        content = later_content(f"model {model.name}", panel, self.scale, box_of)
        note = model.remark(seen, span.count)
        return {**content, "key": made.key, "moves": made.moves, "note": note}

    def flow(self, question: Question) -> Answer:
        """Where the flow has carried the surface, and velocities, as float32."""
        model = self._model(self._source(question)[1])
        rows = np.array([int(row) for row in question.text("rows").split(",") if row], np.int64)
        moved = model.at(question.text("key"), question.number("t"), rows)
        return moved.astype("<f4").tobytes()

    def drop(self, question: Question) -> Answer:
        """Keep one of the files that are dropped together; the oldest ones have to go."""
        for batch in self._drops.receive(question):
            with self._lock:
                for item in self._items_of_batches.pop(batch, []):
                    self._sources.pop(item, None)
        return {}

    def open(self, question: Question) -> Answer:
        """Offer clouds: the files that were dropped together, or a path on this machine."""
        if "path" in question.values:
            path = Path(question.text("path")).expanduser()
            return {"id": self._offer(Clouds((path,), str(path), "opened"))}
        folder = self._drops.folder(question)
        files = sorted(folder.iterdir()) or [folder]
        paths = tuple(files) if len(files) == 1 else (folder,)
        try:
            item = self._offer(Clouds(paths, files[0].name, "dropped"))
        except UserError as error:  # where a dropped file lies would tell nothing
            raise UserError(str(error).replace(f"{folder}{os.sep}", "")) from error
        with self._lock:
            self._items_of_batches.setdefault(folder.name, []).append(item)
        return {"id": item}

    def _offer(self, clouds: Clouds) -> int:
        """Add clouds that can be read, and say their number."""
        clouds.count_frames()
        with self._lock:
            item = next(self._numbers)
            self._sources[item] = clouds
            return item

    def _source(self, question: Question) -> tuple[int, Source]:
        number = int(question.number("item"))
        source = self.sources.get(number)
        if source is None:
            raise UserError("there is no such item any more; load the page again")
        return number, source

    def _model(self, source: Source) -> LiveModel:
        model = self.model_of(source)
        if model is None:
            raise UserError(
                f"no weights are known for {source.name}; start the viewer with --weights and a "
                "name or file"
            )
        return model

    def _model_or_trouble(self, source: Source) -> tuple[LiveModel | None, str]:
        """What there is can be looked at without a model, too; then it is said why."""
        try:
            return self.model_of(source), ""
        except (UserError, OSError) as error:
            return None, f"No model answers: {error}."

    def _window(self, frames: Frames, source: Source) -> tuple[Shown, dict[str, Any]]:
        """What is shown of some frames, and the same for the page; those that were last asked for
        are kept."""
        with self._lock:
            known = self._windows.get(frames)
        if known is None:
            shown = source.show(frames.span)
            known = shown, window_content({"prediction": shown.panel}, self.scale)
        with self._lock:
            remember(self._windows, frames, known, KEPT_WINDOWS)
        return known


def _span(question: Question, spans: Sequence[Span]) -> Span:
    """The frames that are asked for, or the first of those there are."""
    chosen = int(question.number("span")) if "span" in question.values else 0
    if not 0 <= chosen < len(spans):
        raise UserError("there are no such frames any more; load the page again")
    return spans[chosen]


def _spans(source: Source, model: LiveModel | None) -> list[Span]:
    """Windows that follow each other, and all frames at once."""
    total = source.count_frames()
    length = WINDOW if model is None else model.config.data.num_frames
    if not source.can_be_cut or total <= length:
        return [Span(0, total)]
    starts = [*range(0, total - length + 1, length)][:MOST_WINDOWS]
    return [*(Span(start, length) for start in starts), Span(0, total)]


def _name(span: Span) -> str:
    return f"frames {span.start} to {span.start + span.count - 1}" if span.count else "all frames"


def _told(model: LiveModel) -> dict[str, Any]:
    """What the page has to know of a model."""
    return {
        "name": model.name,
        "grid": model.start.grid,
        "grids": GRIDS,
        "threshold": model.start.threshold,
        "field": model.has_field,
    }


def _errors(source: Source, window: Shown, meshes: Reconstruction) -> VertexErrors | None:
    """Distances to the truth; None where it is not known."""
    if window.stored is None or not window.panel.truth:
        return None
    if any(mesh.is_empty for mesh in meshes.meshes):
        return None
    predicted = Prediction(dict(enumerate(meshes.meshes)), isinstance(meshes, MeshSequence))
    return vertex_errors(window.stored, predicted, correspondence=bool(source.is_tracked()))
