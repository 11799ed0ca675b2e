"""What a training shows while it runs: one line per training in a terminal, nothing in a pipe.

In: figures of each epoch. Out: text on standard error.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from deltarule.errors import DataError

SECONDS = 0.1  # between two drawings of the bar


class Quiet:
    """Shows nothing."""

    def rows(self, more: int) -> None:
        """So many more rows are done."""

    def epochs(self, done: int, losses: Sequence[float], others: dict[str, float]) -> None:
        """Losses of the epochs after so many, and the figures that they have in common."""


class Lines(Quiet):
    """One plain line per epoch."""

    def __init__(self, last: int) -> None:
        self.last = last

    def epochs(self, done: int, losses: Sequence[float], others: dict[str, float]) -> None:
        """Print the figures."""
        for number, loss in enumerate(losses, done + 1):
            words = figures({"loss": loss, **others})
            print(f"epoch {number}/{self.last}  {words}", file=sys.stderr, flush=True)


class Bar(Quiet):
    """A bar with the figures of the last epoch, rows per second and the time left.

    It is drawn a few times a second, however short epochs are.
    """

    def __init__(self, bar: Any, task: Any) -> None:
        self.bar, self.task = bar, task
        self.done, self.text = 0, ""
        self.shown = -SECONDS

    def rows(self, more: int) -> None:
        """Move the bar."""
        self.done += more
        if time.monotonic() - self.shown >= SECONDS:
            self.show()

    def epochs(self, done: int, losses: Sequence[float], others: dict[str, float]) -> None:
        """Keep the figures of the last."""
        self.text = figures({"loss": losses[-1], **others})

    def show(self) -> None:
        """Draw it as it is now."""
        self.shown = time.monotonic()
        self.bar.update(self.task, completed=self.done, figures=self.text)


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
            shown = Bar(bar, bar.add_task("training", total=rows, figures=""))
            yield shown
            shown.show()
