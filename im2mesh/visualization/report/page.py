"""A page in one file, which opens in any browser without a network, also from a disk."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

from im2mesh.files.atomic import write_text
from im2mesh.visualization.color_bar import ErrorScale

MAX_BYTES = 20 * 10**6
"""Windows that would make the page larger are left out, the last ones first."""
_NUM_COLORS = 64


@dataclass(frozen=True)
class Page:
    """The contents of a page.

    Attributes:
        title: Heading in words.
        origin: Description of what made its contents, stated at the end.
        note: Text below the table; line breaks are kept.
        table: Rows of cells, the first being the heading.
        curves: See `metric_curves`.
        training: See `training_curves`.
        timings: Rows of cells, the first being the heading.
        windows: Caption -> see `window_content`.
        pictures: Caption -> PNG file, which the page will hold.
        settings: Name -> text, such as a configuration.
        scale: Largest error that colours tell apart.
    """

    title: str
    origin: str
    note: str = ""
    table: Sequence[Sequence[str]] = ()
    curves: Sequence[Mapping[str, Any]] = ()
    training: Sequence[Mapping[str, Any]] = ()
    timings: Sequence[Sequence[str]] = ()
    windows: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    pictures: Mapping[str, Path] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    scale: ErrorScale = field(default_factory=ErrorScale)

    def write(self, path: Path) -> list[str]:
        """Write the page; returns the captions of the windows that did not fit into it."""
        left_out, shown = [], dict(self.windows)
        while len((text := self._html(shown)).encode()) > MAX_BYTES and shown:
            left_out.append(shown.popitem()[0])
        write_text(path, text)
        return left_out

    def _html(self, windows: Mapping[str, Mapping[str, Any]]) -> str:
        parts = [
            '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">',
            f"<title>{escape(self.title)}</title>",
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<link rel="icon" href="data:,">',
            f"<style>{asset('page.css')}</style>\n<h1>{escape(self.title)}</h1>",
            _section("Numbers", _table(self.table) + _note(self.note)) if self.table else "",
            _section("Windows", '<div id="windows"></div>') if windows else "",
            _curves("Over time", "curves") if self.curves else "",
            _curves("Training", "training") if self.training else "",
            *(_section(caption, _picture(caption, p)) for caption, p in self.pictures.items()),
            _section("Time", _table(self.timings)) if self.timings else "",
            *(_details(name, text) for name, text in self.settings.items()),
            f'<p class="note origin">{escape(self.origin)}</p>',
            f'<script type="application/json" id="data">{self._data(windows)}</script>',
            _script("curves.js") if self.curves or self.training else "",
            _script("viewer.js") if windows else "",
            "</html>\n",
        ]
        return "\n".join(filter(None, parts))

    def _data(self, windows: Mapping[str, Mapping[str, Any]]) -> str:
        content = {
            "curves": self.curves,
            "training": self.training,
            "windows": [{"caption": caption, **window} for caption, window in windows.items()],
            "errors": told_scale(self.scale),
        }
        return as_script(content)


def told_scale(scale: ErrorScale) -> dict[str, Any]:
    """The colours of errors, for the viewer."""
    steps = [k / (_NUM_COLORS - 1) * scale.maximum for k in range(_NUM_COLORS)]
    return {"maximum": scale.maximum, "colors": scale.list_colors(steps)}


def as_script(content: Any) -> str:
    """JSON that may stand in a page."""
    return json.dumps(content, separators=(",", ":")).replace("<", "\\u003c")


def asset(name: str) -> str:
    """A script or style of the pages."""
    return files("im2mesh.visualization.report").joinpath(name).read_text("utf-8")


def _script(name: str) -> str:
    return f"<script>{asset(name)}</script>"


def _section(heading: str, content: str) -> str:
    return f"<section><h2>{escape(heading)}</h2>\n{content}</section>"


def _curves(heading: str, name: str) -> str:
    return _section(heading, f'<div class="curves" id="{name}"></div>')


def _note(text: str) -> str:
    return f'<p class="note">{escape(text)}</p>' if text else ""


def _details(name: str, text: str) -> str:
    return f"<details><summary>{escape(name)}</summary><pre>{escape(text)}</pre></details>"


def _table(rows: Sequence[Sequence[str]]) -> str:
    kinds = ["th", *["td"] * (len(rows) - 1)]
    lines = [
        "<tr>" + "".join(f"<{kind}>{escape(cell)}</{kind}>" for cell in row) + "</tr>"
        for kind, row in zip(kinds, rows, strict=True)
    ]
    return '<div class="wide"><table>\n' + "\n".join(lines) + "\n</table></div>"


def _picture(caption: str, path: Path) -> str:
    content = base64.b64encode(path.read_bytes()).decode()
    text = escape(caption, quote=True)
    return f'<img alt="{text}" src="data:image/png;base64,{content}">'
