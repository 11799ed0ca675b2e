"""What a training shows while it runs: a line that moves in a terminal or notebook, plain lines in a pipe.

In: rows done, figures of each epoch. Out: text on standard error, or a notebook's output.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import escape
from typing import Any

from deltarule.errors import DataError
from deltarule.train.figures import SPEED

SECONDS = 0.1  # between two drawings of a line that moves
OFTEN = 10  # epochs at the beginning that have plain lines of their own, where lines are asked for
BETWEEN = 1.0  # seconds between plain lines that are asked for
SELDOM = 30.0  # seconds between plain lines that are not
FIRST = 0.5  # seconds of work from which on the time left is told
BAR = 6, 40  # least and largest width


@dataclass(slots=True)
class State:
    """How far a training is.

    Attributes
    ----------
    epoch, last : int
        Epochs done, and when all are done.
    total, done : int
        Rows of all epochs of this call, and those done.
    figures : dict
        Of the last epoch.
    begun : float
        When it began, in seconds of the clock.
    first : (float, int) or None
        The time and the rows done when something was done first: what came before was preparation.
    ended : bool
        Whether no more is to come.
    """

    epoch: int
    last: int
    total: int
    done: int = 0
    figures: dict[str, float] = field(default_factory=dict)
    begun: float = field(default_factory=lambda: time.monotonic())
    first: tuple[float, int] | None = None
    ended: bool = False

    def rows(self, more: int) -> None:
        """So many more rows are done."""
        self.done += more
        if self.first is None:
            self.first = time.monotonic(), self.done

    @property
    def share(self) -> float:
        """Of the rows that are done."""
        return self.done / self.total if self.total else 1.0

    @property
    def time(self) -> str:
        """Time left by the speed so far, "0:12 left", or at the end all of it, "in 0:34"."""
        now = time.monotonic()
        if self.ended:
            return f"in {clock(now - self.begun)}"
        if self.first is None or now - self.first[0] < FIRST or self.done == self.first[1]:
            return ""
        a_row = (now - self.first[0]) / (self.done - self.first[1])
        return f"{clock(a_row * (self.total - self.done))} left"

    @property
    def now(self) -> int:
        """The number of the epoch that runs, or ran last."""
        return self.epoch if self.ended else min(self.epoch + 1, self.last)


class Quiet:
    """Shows nothing."""

    def rows(self, more: int) -> None:
        """So many more rows are done."""

    def epochs(self, done: int, losses: Sequence[float], others: dict[str, float]) -> None:
        """Losses of the epochs after so many, and the figures that they have in common."""


class Lines(Quiet):
    """Plain lines: where they are asked for, one per epoch, though no flood; else now and then."""

    def __init__(self, state: State, asked: bool) -> None:
        self.state, self.asked = state, asked
        self.first, self.any = state.epoch, False
        self.printed = self.epoch_began = state.begun

    def rows(self, more: int) -> None:
        """Print a line where an epoch takes long."""
        state = self.state
        state.rows(more)
        if time.monotonic() - max(self.printed, self.epoch_began) >= SELDOM:
            words = f"epoch {state.now}/{state.last}  {100 * state.share:.0f}% of all epochs"
            self._print(words, {}, state.time)

    def epochs(self, done: int, losses: Sequence[float], others: dict[str, float]) -> None:
        """Print those that are due: of many at once, the first ones of all and the last."""
        last, self.epoch_began = self.state.last, time.monotonic()
        self.state.epoch = end = done + len(losses)
        first = range(done + 1, min(end, self.first + OFTEN + 1)) if self.asked else ()
        since = self.epoch_began - self.printed
        early = end - self.first <= OFTEN or end == last or since >= BETWEEN
        due = early if self.asked else since >= SELDOM or (self.any and end == last)
        for number in (*first, *([end] if due else [])):
            self.state.ended = number == last
            logs = {"loss": losses[number - done - 1], **others}
            self._print(f"epoch {number}/{last}", logs, self.state.time)

    def _print(self, head: str, logs: dict[str, float], left: str) -> None:
        words = "  ".join(filter(None, [head, *figures(logs), left]))
        print(words, file=sys.stderr, flush=True)
        self.printed, self.any = time.monotonic(), True


class Moving(Quiet):
    """A line that is drawn anew a few times a second, however short epochs are."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.shown = -SECONDS

    def rows(self, more: int) -> None:
        """Count them."""
        self.state.rows(more)
        if time.monotonic() - self.shown >= SECONDS:
            self.show()

    def epochs(self, done: int, losses: Sequence[float], others: dict[str, float]) -> None:
        """Keep the figures of the last."""
        self.state.epoch = done + len(losses)
        self.state.figures = {"loss": losses[-1], **others}

    def show(self) -> None:
        """Draw it as it is now."""
        self.shown = time.monotonic()
        self.draw()

    def draw(self) -> None:
        """Draw it."""
        raise NotImplementedError


class Bar(Moving):
    """The line of a terminal."""

    def __init__(self, state: State, live: Any) -> None:
        super().__init__(state)
        self.live = live

    def draw(self) -> None:
        """Bar, epoch, figures, rows per second and the time left, as many as there is room for."""
        from rich.progress_bar import ProgressBar
        from rich.table import Table

        width, before, after = arranged(self.state, self.live.console.width)
        row = Table.grid(padding=(0, 1, 0, 0), pad_edge=False)
        bar = ProgressBar(
            total=1.0,
            completed=self.state.share,
            width=width,
            style="bright_black",
            complete_style="cyan",
            finished_style="green",
        )
        cells: list[Any] = [before, *([bar] if width else []), after]
        for _ in cells:
            row.add_column(no_wrap=True)
        row.add_row(*cells)
        self.live.update(row, refresh=True)


class Notebook(Moving):
    """The line of a notebook."""

    def __init__(self, state: State) -> None:
        super().__init__(state)
        self.handle: Any = None

    def draw(self) -> None:
        """Show it, or what has become of it."""
        from IPython.display import HTML, display

        state = self.state
        words = [f"epoch {state.now}/{state.last}", *figures(state.figures), state.time]
        text = escape("  ".join(words))
        page = HTML(
            f'<progress max="1" value="{state.share:.3f}"></progress> '
            f'<span style="font-family: monospace; white-space: pre-wrap">{text}</span>'
        )
        if self.handle is None:
            self.handle = display(page, display_id=True)
        else:
            self.handle.update(page)


def arranged(state: State, columns: int) -> tuple[int, str, str]:
    """The width of the bar, and the words before and after it, in one line of so many columns.

    What has no room is left out whole: rows/s, then the bar, then figures from the end.
    """
    before = f"epoch {state.now}/{state.last}"
    parts = figures(state.figures)
    speed = parts.pop() if SPEED in state.figures else ""
    done = f"{100 * state.share:3.0f}%"
    choices = [(BAR[0] + 1, [*parts, speed]), (BAR[0] + 1, parts), (0, parts)]
    choices += [(0, [*parts[:n], "…"]) for n in range(len(parts) - 1, -1, -1)]
    for least, rest in choices:
        after = "  ".join(filter(None, [done, *rest, state.time]))
        room = columns - len(before) - len(after) - 2
        if room >= least:
            return min(room - 1, BAR[1]) if least else 0, before, after
    return 0, before, done


def figures(logs: dict[str, float]) -> list[str]:
    """The figures of an epoch in words, rows per second last."""
    parts = [f"{name} {value:.4g}" for name, value in logs.items() if name != SPEED]
    return [*parts, *([f"rows/s {logs[SPEED]:,.0f}"] if SPEED in logs else [])]


def clock(seconds: float) -> str:
    """Hours, minutes and seconds: 1:02:03, 0:12.

    >>> clock(12.4), clock(3723)
    ('0:12', '1:02:03')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    found = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return hasattr(found, "kernel")


@contextmanager
def showing(progress: bool | None, first: int, last: int, rows: int) -> Iterator[Quiet]:
    """The display of a training from one epoch to another, over a number of rows in all.

    ``progress`` is True, False, or None for a line that moves in a terminal or notebook, and few
    plain ones elsewhere.
    """
    if progress not in (True, False, None):
        raise DataError(f"progress is True, False or None, not {progress!r}")
    state = State(first, last, rows)
    if progress is False or sys.stderr is None:
        yield Quiet()
    elif in_notebook():
        yield from _moving(Notebook(state))
    elif not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield Lines(state, asked=bool(progress))
    else:
        from rich.console import Console
        from rich.live import Live

        console, both = Console(stderr=True), sys.stdout is not None and sys.stdout.isatty()
        with Live(console=console, auto_refresh=False, redirect_stdout=both) as live:
            yield from _moving(Bar(state, live))


def _moving(line: Moving) -> Iterator[Quiet]:
    """A line that moves, drawn once more at the end."""
    try:
        yield line
    finally:
        line.state.ended = True
        line.show()
