"""Tables of results on the screen: a row a job, a column a peer.

In: rows as `measure.summary` makes them. Out: a printed table of 100 columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

WIDTH = 100


def console() -> Console:
    """The screen, as wide as a page."""
    return Console(width=WIDTH, highlight=False)


def table_of(rows: Mapping[str, Mapping[str, Any]], title: str) -> Table:
    """Medians, below each how many times deltarule's it is; below ours, how much of the limit."""
    peers = list(dict.fromkeys(peer for row in rows.values() for peer in row["median"]))
    limited = any("limit" in row for row in rows.values())
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    table.add_column("job", overflow="fold", max_width=24)
    for peer in [*peers, *(["limit"] if limited else [])]:
        table.add_column(peer.replace("-", "\n", 1), justify="right", no_wrap=True)
    for name, row in rows.items():
        cells = [cell(row, peer) for peer in peers]
        if limited:
            cells.append(number(row.get("limit")))
        table.add_row(heading(name, row), *cells)
        table.add_row()
    return table


def heading(name: str, row: Mapping[str, Any]) -> str:
    """The job's name, what it is, and on how many threads."""
    return f"[bold]{name}[/bold]\n[dim]{row['job']}, {counted(row['threads'])}[/dim]"


def counted(threads: int) -> str:
    """A number of threads in words."""
    return f"{threads} thread{'s' if threads > 1 else ''}"


def cell(row: Mapping[str, Any], peer: str) -> str:
    """A median and its ratio."""
    median = row["median"].get(peer)
    if median is None:
        return "[dim]-[/dim]"
    if peer == "deltarule":
        share = f"{100 * row['limit'] / median:.0f} %" if "limit" in row else ""
        return f"[bold]{number(median)}[/bold]\n[dim]{share}[/dim]"
    ratio = row["times_deltarule"].get(peer)
    return f"{number(median)}\n[dim]{number(ratio)}x[/dim]" if ratio else number(median)


def number(x: float | None) -> str:
    """Three digits, as many as can be believed."""
    if x is None:
        return ""
    return f"{x:,.0f}" if x >= 100 else f"{x:.3g}"


def tell_left_out(rows: Mapping[str, Mapping[str, Any]]) -> None:
    """Say which peers are missing, and why."""
    reasons: dict[str, list[str]] = {}
    for name, row in rows.items():
        for reason in row.get("left_out", ()):
            reasons.setdefault(reason, []).append(name)
    for reason, names in reasons.items():
        console().print(f"left out of {', '.join(names)}: {reason}", style="dim")
