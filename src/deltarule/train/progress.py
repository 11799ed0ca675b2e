"""What a training shows while it runs: one line per training in a terminal, nothing in a pipe.

In: figures of each epoch. Out: text on standard error.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Quiet:
    """Shows nothing."""

    def rows(self, done: int) -> None:
        """Rows of this epoch that are done."""

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

    def __init__(self, bar: Any, task: Any, rows: int) -> None:
        self.bar, self.task, self.total = bar, task, rows
        self.epochs_done = 0

    def rows(self, done: int) -> None:
        """Move the bar."""
        self.bar.update(self.task, completed=self.epochs_done * self.total + done)

    def epoch(self, number: int, logs: dict[str, float]) -> None:
        """Show the figures."""
        self.epochs_done += 1
        self.bar.update(self.task, completed=self.epochs_done * self.total, figures=figures(logs))


def figures(logs: dict[str, float]) -> str:
    """The figures of an epoch in one line."""
    return "  ".join(
        f"{name.replace('_per_second', '/s')} {value:,.4g}" for name, value in logs.items()
    )


@contextmanager
def showing(progress: bool | None, epochs: int, rows: int) -> Iterator[Quiet]:
    """The display for ``progress``: True, False, or None for a bar in a terminal and nothing elsewhere."""
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
            yield Bar(bar, bar.add_task("training", total=epochs * rows, figures=""), rows)
