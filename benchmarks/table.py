"""Tables in Markdown."""

from collections.abc import Mapping


def markdown(rows: Mapping[str, Mapping[str, object]], first: str = "") -> str:
    """A row per key; the columns are those of all rows, in the order of appearance."""
    columns = list(dict.fromkeys(name for row in rows.values() for name in row))
    lines = [[first, *columns], ["---"] * (1 + len(columns))]
    lines += [[name, *(_cell(row.get(column)) for column in columns)] for name, row in rows.items()]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.3g}" if isinstance(value, float) else str(value)
