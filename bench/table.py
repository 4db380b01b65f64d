"""How figures are printed: aligned text for a terminal, or Markdown for a page."""

from __future__ import annotations

from collections.abc import Sequence


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, markdown: bool) -> str:
    """Lay out *rows* under *head*; the first column is text, the others are figures."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = [_line(head, widths, markdown=markdown)]
    if markdown:
        lines.append("|".join(["", " --- ", *(" ---: " for _ in head[1:]), ""]))
    return "\n".join(lines + [_line(row, widths, markdown=markdown) for row in rows])


def _line(cells: Sequence[str], widths: Sequence[int], *, markdown: bool) -> str:
    if markdown:
        return f"| {' | '.join(cells)} |"
    first, *others = zip(cells, widths, strict=True)
    return "  ".join([first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]).rstrip()


def figure(value: float | None, digits: int = 0) -> str:
    """Return a number for people, a dash for what is not known."""
    return "-" if value is None else f"{value:,.{digits}f}"
