"""What a training shows while it runs: one line per training in a terminal, nothing in a pipe.

In: figures of each epoch. Out: text on standard error.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from deltarule.errors import DataError


class Quiet:
    """Shows nothing."""

    def rows(self, more: int) -> None:
        """So many more rows are done."""

    def epoch(self, number: int, logs: dict[str, float]) -> None:
        """The figures of an epoch."""


class Lines(Quiet):
    """One plain line per epoch."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs

    def epoch(self, number: int, logs: dict[str, float]) -> None:
        """Print the figures."""
        print(f"epoch {number}/{self.epochs}  {figures(logs)}", file=sys.stderr, flush=True)


class Bar(Quiet):
    """A bar with the figures of the last epoch, rows per second and the time left."""

    def __init__(self, bar: Any, task: Any) -> None:
        self.bar, self.task = bar, task

    def rows(self, more: int) -> None:
        """Move the bar."""
        self.bar.update(self.task, advance=more)

    def epoch(self, number: int, logs: dict[str, float]) -> None:
        """Show the figures."""
        self.bar.update(self.task, figures=figures(logs))


def figures(logs: dict[str, float]) -> str:
    """The figures of an epoch in one line."""
    parts = []
    for name, value in logs.items():
        if name == "rows_per_second":
            parts.append(f"rows/s {value:,.0f}")
        else:
            parts.append(f"{name} {value:.4g}")
    return "  ".join(parts)


@contextmanager
def showing(progress: bool | None, epochs: int, rows: int) -> Iterator[Quiet]:
    """The display of a training up to a number of epochs, over a number of rows in all.

    ``progress`` is True, False, or None for a bar in a terminal and nothing elsewhere.
    """
    if progress not in (True, False, None):
        raise DataError(f"progress is True, False or None, not {progress!r}")
    terminal = sys.stderr.isatty()
    if progress is False or (progress is None and not terminal):
        yield Quiet()
    elif not terminal:
        yield Lines(epochs)
    else:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f}%"),
            TextColumn("{task.fields[figures]}"),
        )
        with Progress(
            *columns, TimeRemainingColumn(), console=Console(stderr=True), refresh_per_second=8
        ) as bar:
            yield Bar(bar, bar.add_task("training", total=rows, figures=""))
