"""Rows of numbers -> tables for a terminal or in Markdown."""

from collections.abc import Mapping, Sequence

from im2mesh.evaluation.metric_info import metric_info
from im2mesh.evaluation.summary import SummaryRow


def format_table(summaries: Mapping[str, Sequence[SummaryRow]], markdown: bool = False) -> str:
    """An aligned table for the terminal, or one in Markdown.

    Args:
        summaries: Split -> its rows; each split becomes a column.
        markdown: Whether to draw it as a Markdown table.
    """
    drawn = draw_table(summary_table(summaries), markdown)
    return f"{drawn}\n\n{summary_note(summaries)}\n"


def summary_table(summaries: Mapping[str, Sequence[SummaryRow]]) -> list[list[str]]:
    """Rows of cells: a heading, then one row per metric with a column per split."""
    names = list(dict.fromkeys(row.metric for rows in summaries.values() for row in rows))
    table = [["metric", "better", *summaries]]
    for name in names:
        info = metric_info(name)
        table.append([info.title, info.better, *(_cell(rows, name) for rows in summaries.values())])
    return table


def summary_note(summaries: Mapping[str, Sequence[SummaryRow]]) -> str:
    """What the numbers of the table are, and of how many windows."""
    counts = ", ".join(f"{n} {_count(rows)}" for n, rows in summaries.items())
    return (
        f"Mean (standard deviation) over windows of the mean over frames. Windows: {counts}.\n"
        "Unit of length: longest side of the first true mesh."
    )


def draw_table(table: Sequence[Sequence[str]], markdown: bool = False) -> str:
    """Draw rows of cells, the first being the heading, with columns of equal width.

    Args:
        table: Rows of equal length.
        markdown: Whether to draw it as a Markdown table.
    """
    if markdown:
        table = [[cell.replace("|", "\\|") for cell in row] for row in table]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = [[cell.ljust(w) for cell, w in zip(row, widths, strict=True)] for row in table]
    lines.insert(1, ["-" * width for width in widths])
    if markdown:
        return "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return "\n".join("  ".join(line).rstrip() for line in lines)


def format_value(row: SummaryRow) -> str:
    """The mean, and in brackets the standard deviation, with the digits of the metric."""
    digits = metric_info(row.metric).digits
    return f"{row.mean:.{digits}f} ({row.std:.{digits}f})"


def _cell(rows: Sequence[SummaryRow], metric: str) -> str:
    return next((format_value(row) for row in rows if row.metric == metric), "-")


def _count(rows: Sequence[SummaryRow]) -> str:
    """The number of windows, with the metrics that cover fewer of them in brackets."""
    most = max((row.num_windows for row in rows), default=0)
    fewer = [f"{row.metric} {row.num_windows}" for row in rows if row.num_windows < most]
    return f"{most} ({', '.join(fewer)})" if fewer else str(most)
