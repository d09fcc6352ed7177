"""Figures for people: plain tables, medians and percentiles."""

from collections.abc import Sequence
from statistics import median


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table with a title; numbers are shown to three digits."""
    shown = [[*map(_shown, row)] for row in rows]
    widths = [max(len(line[place]) for line in [list(columns), *shown]) for place in range(len(columns))]
    print(f"\n{title}")
    for line in [list(columns), ["-" * width for width in widths], *shown]:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def spread(values: Sequence[float]) -> dict[str, float]:
    """Minimum, median, 95th percentile and maximum; nothing of no values."""
    if not values:
        return {}
    ordered = sorted(values)
    return {
        "min": ordered[0],
        "median": median(ordered),
        "p95": percentile(ordered, 95),
        "max": ordered[-1],
    }


def percentile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that so many percent do not exceed (nearest rank)."""
    rank = -(-len(ordered) * share // 100)
    return ordered[max(int(rank) - 1, 0)]


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3f}" if value < 10 else f"{value:,.0f}"
    return str(value)
