"""A page of tables and pictures in one file, which opens in any browser without a network."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

from im2mesh.files.atomic import write_text

_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 72rem; margin: 0 auto; padding: 1.5rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.5rem; }
table { border-collapse: collapse; display: block; overflow-x: auto; }
th, td { padding: .3rem .9rem .3rem 0; text-align: left; border-bottom: 1px solid #8886; }
figure { margin: 1rem 0; } img { max-width: 100%; height: auto; border-radius: 4px; }
figcaption, .note { opacity: .75; font-size: .9rem; white-space: pre-line; }
"""


@dataclass(frozen=True)
class PageSection:
    """A part of a page.

    Attributes:
        heading: Heading in words.
        text: Text below it; line breaks are kept.
        table: Rows of cells, the first being the heading; empty for no table.
        pictures: Caption -> PNG file, which the page will hold.
    """

    heading: str
    text: str = ""
    table: Sequence[Sequence[str]] = ()
    pictures: Mapping[str, Path] = field(default_factory=dict)


def write_page(path: Path, title: str, sections: Sequence[PageSection], origin: str) -> None:
    """Write a page.

    Args:
        origin: Description of what made its contents, stated at the end.
    """
    parts = [
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">',
        f"<title>{escape(title)}</title>",
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<style>{_STYLE}</style>\n<h1>{escape(title)}</h1>",
        *map(_section, sections),
        f'<p class="note">{escape(origin)}</p>\n</html>\n',
    ]
    write_text(path, "\n".join(parts))


def _section(section: PageSection) -> str:
    parts = [f"<h2>{escape(section.heading)}</h2>"]
    if section.text:
        parts.append(f'<p class="note">{escape(section.text)}</p>')
    if section.table:
        parts.append(_table(section.table))
    parts += [_picture(caption, path) for caption, path in section.pictures.items()]
    return "\n".join(parts)


def _table(rows: Sequence[Sequence[str]]) -> str:
    kinds = ["th", *["td"] * (len(rows) - 1)]
    lines = [
        "<tr>" + "".join(f"<{kind}>{escape(cell)}</{kind}>" for cell in row) + "</tr>"
        for kind, row in zip(kinds, rows, strict=True)
    ]
    return "<table>\n" + "\n".join(lines) + "\n</table>"


def _picture(caption: str, path: Path) -> str:
    content = base64.b64encode(path.read_bytes()).decode()
    text = escape(caption, quote=True)
    return (
        f'<figure><img alt="{text}" src="data:image/png;base64,{content}">'
        f"<figcaption>{text}</figcaption></figure>"
    )
