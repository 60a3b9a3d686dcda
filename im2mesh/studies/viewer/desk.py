"""The answers to what the page of the live viewer asks."""

import os
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from im2mesh.data.layout import CLOUD_FOLDER, check_name
from im2mesh.errors import UserError
from im2mesh.evaluation.predictions import Prediction
from im2mesh.meshing.frame_meshes import Reconstruction
from im2mesh.meshing.mesh_sequence import MeshSequence
from im2mesh.studies.viewer.clouds import Clouds
from im2mesh.studies.viewer.live_model import GRIDS, LiveModel, Surface, remember
from im2mesh.studies.viewer.source import Shown, Source, Span
from im2mesh.visualization.color_bar import ErrorScale
from im2mesh.visualization.contact_sheet import inputs_by_frame
from im2mesh.visualization.panel import Panel, VertexErrors
from im2mesh.visualization.report.layers import later_content, window_content
from im2mesh.visualization.vertex_errors import vertex_errors
from im2mesh.visualization.viewer.server import Answer, Question, Route

WINDOW = 17
"""Frames of the windows into which clips are cut, unless a model reads another number."""
MOST_WINDOWS = 200

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
        self.sources = list(sources)
        self.model_of = model_of
        self.scale = ErrorScale() if scale is None else scale
        self._dropped: tempfile.TemporaryDirectory[str] | None = None
        self._windows: OrderedDict[tuple[int, Span], tuple[Shown, dict[str, Any]]] = OrderedDict()
        self._lock = Lock()

    @property
    def routes(self) -> dict[str, Route]:
        return {
            "/items": self.list_items,
            "/show": self.show,
            "/reconstruct": self.reconstruct,
            "/flow": self.flow,
            "/drop": self.drop,
            "/open": self.open,
        }

    def close(self) -> None:
        """Remove what was dropped."""
        if self._dropped is not None:
            self._dropped.cleanup()

    def list_items(self, _question: Question) -> Answer:
        """Everything that can be chosen."""
        return [
            {"id": k, "group": source.group, "name": source.name}
            for k, source in enumerate(self.sources)
        ]

    def show(self, question: Question) -> Answer:
        """What there is of one thing, and the windows into which it may be cut."""
        source = self._source(question)
        model = self.model_of(source)
        spans = self._spans(source, model)
        span = self._span(question, spans)
        window, content = self._window(source, span)
        return {
            **content,
            "seconds": window.seconds,
            "note": window.note,
            "spans": [_name(span) for span in spans],
            "span": spans.index(span),
            "model": None if model is None else _told(model),
        }

    def reconstruct(self, question: Question) -> Answer:
        """The meshes that the model makes of what is shown, and what it sees."""
        source = self._source(question)
        model = self._model(source)
        span = self._span(question, self._spans(source, model))
        window, _ = self._window(source, span)
        count = window.panel.num_shown
        span, key = Span(span.start, count), f"{source.name}, {_name(span)}"
        asked = Surface(int(question.number("grid")), question.number("threshold"))
        seen = source.observe(span, model.config)
        meshes = model.reconstruct(key, seen, count, asked)
        if meshes.is_empty:
            raise UserError(
                f"no probability reaches the threshold {asked.threshold:g}; lower it, or check "
                "that the input looks like the data of the training"
            )
        panel = Panel(
            key,
            [],
            dict(enumerate(meshes.meshes)),
            inputs_by_frame(seen.observation, count),
            errors=_errors(window, meshes),
        )
        box_of = window.panel.truth[0] if window.panel.truth else meshes.meshes[0]
        content = later_content(f"model {model.name}", panel, self.scale, box_of)
        moves = isinstance(meshes, MeshSequence) and count > 1
        return {**content, "key": key, "moves": moves}

    def flow(self, question: Question) -> Answer:
        """Where the flow has carried the surface, and velocities, as float32."""
        model = self._model(self._source(question))
        rows = np.array([int(row) for row in question.text("rows").split(",") if row], np.int64)
        moved = model.at(question.text("key"), question.number("t"), rows)
        return moved.astype("<f4").tobytes()

    def drop(self, question: Question) -> Answer:
        """Keep one of the files that are dropped together."""
        name = question.text("name")
        check_name(name, "file")
        (self._folder(question) / name).write_bytes(question.body)
        return {}

    def open(self, question: Question) -> Answer:
        """Offer clouds: the files that were dropped together, or a path on this machine."""
        if "path" in question.values:
            path = Path(question.text("path")).expanduser()
            clouds, place = Clouds((path,), str(path), "dropped"), ""
        else:
            folder = self._folder(question)
            files = sorted(folder.iterdir()) or [folder]
            paths = tuple(files) if len(files) == 1 else (folder,)
            clouds, place = Clouds(paths, files[0].name, "dropped"), f"{folder}{os.sep}"
        try:
            clouds.count_frames()
        except UserError as error:  # where a dropped file lies would tell nothing
            raise UserError(str(error).replace(place, "")) from error
        with self._lock:
            self.sources.append(clouds)
            return {"id": len(self.sources) - 1}

    def _folder(self, question: Question) -> Path:
        """Where files lie that are dropped together."""
        batch = question.text("batch")
        check_name(batch, "batch")
        with self._lock:
            if self._dropped is None:
                self._dropped = tempfile.TemporaryDirectory(prefix="im2mesh_viewer_")
        folder = Path(self._dropped.name) / batch
        folder.mkdir(exist_ok=True)
        return folder

    def _source(self, question: Question) -> Source:
        number = int(question.number("item"))
        if not 0 <= number < len(self.sources):
            raise UserError("there is no such item any more; load the page again")
        return self.sources[number]

    def _span(self, question: Question, spans: Sequence[Span]) -> Span:
        """The frames that are asked for, or the first of those there are."""
        chosen = int(question.number("span")) if "span" in question.values else 0
        if not 0 <= chosen < len(spans):
            raise UserError("there are no such frames any more; load the page again")
        return spans[chosen]

    def _model(self, source: Source) -> LiveModel:
        model = self.model_of(source)
        if model is None:
            raise UserError(
                f"no weights are known for {source.name}; start the viewer with --weights local, "
                "or with another name or file"
            )
        return model

    def _window(self, source: Source, span: Span) -> tuple[Shown, dict[str, Any]]:
        """What is shown of some frames, and the same for the page; those that were last asked for
        are kept."""
        key = (id(source), span)  # a source is kept as long as the desk
        with self._lock:
            known = self._windows.get(key)
        if known is None:
            shown = source.show(span)
            known = shown, window_content({"prediction": shown.panel}, self.scale)
            with self._lock:
                remember(self._windows, key, known)
        return known

    def _spans(self, source: Source, model: LiveModel | None) -> list[Span]:
        """Windows that follow each other, and all frames at once."""
        count = source.count_frames()
        length = WINDOW if model is None else model.config.data.num_frames
        if not source.can_be_cut or count <= length:
            return [Span(0, count)]
        starts = [*range(0, count - length + 1, length)][:MOST_WINDOWS]
        return [*(Span(start, length) for start in starts), Span(0, count)]


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


def _errors(window: Shown, meshes: Reconstruction) -> VertexErrors | None:
    """Distances to the truth; None where it is not known."""
    stored = window.stored
    if stored is None or not window.panel.truth:
        return None
    frames = range(stored.window.num_frames)
    is_tracked = len({stored.count_points(k, CLOUD_FOLDER) for k in frames}) == 1
    predicted = Prediction(dict(enumerate(meshes.meshes)), isinstance(meshes, MeshSequence))
    if any(mesh.is_empty for mesh in meshes.meshes):
        return None
    return vertex_errors(stored, predicted, correspondence=is_tracked)
