"""A console for rich text that a pipe may be behind.

In: whether it is standard output or standard error. Out: rich's ``Console``: colours and the width of the
screen in a terminal, whole plain lines in a pipe. NO_COLOR is honoured.
"""

from __future__ import annotations

from typing import NoReturn

from rich.console import Console

WIDE = 400  # columns of a table in a pipe, where nothing is cut


class PipedConsole(Console):
    """A console that lets the command hear that its reader has left."""

    def on_broken_pipe(self) -> NoReturn:
        """Instead of ending the program with an error."""
        raise BrokenPipeError


def console(*, errors: bool = False) -> Console:
    """Return standard output, or standard error."""
    made = PipedConsole(stderr=errors, highlight=False, markup=False)
    if not made.is_terminal:
        made.soft_wrap, made.width = True, WIDE
    return made
