"""How help reads: options in groups, examples as they are typed, commands in the order of the work.

In: a command and its parameters. Out: plain text that fits 80 columns and needs no colours.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from deltarule.cli.unforeseen import unforeseen
from deltarule.errors import DataError, DeltaruleError, ModelFileError, ShapeError

USAGE_ERROR: Any = typer.BadParameter.__mro__[1]  # of click, which typer has inside or beside it
WRONG_INPUT = (DataError, ShapeError, ModelFileError)
WRONG_PLACE = (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError)
INTERRUPTED = 130
EXIT_CODES = {
    0: "all went well",
    1: "the work failed: training diverged, a disk is full, a line of hand work is wrong",
    2: "the input or the command is wrong",
    INTERRUPTED: "stopped by Ctrl-C; a training keeps the best weights so far and saves them",
}


class Command(TyperCommand):
    """A command whose options stand in groups, by ``rich_help_panel``; its epilog is examples."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Arguments first, then each group in the order in which it begins."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None:
                usual = "Arguments" if param.param_type_name == "argument" else "Options"
                groups.setdefault(getattr(param, "rich_help_panel", None) or usual, []).append(
                    record
                )
        for title, records in groups.items():
            with formatter.section(title):
                formatter.write_dl(records)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Examples, line by line."""
        if self.epilog:
            with formatter.section("Examples"):
                for line in self.epilog.splitlines():
                    formatter.write(f"  {line}\n")


class Commands(TyperGroup):
    """The commands together: where their errors become one message and an exit code."""

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """The usual path, and exit codes."""
        with formatter.section("Usual path"):
            for line in (self.epilog or "").splitlines():
                formatter.write(f"  {line}\n")
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(code), words) for code, words in EXIT_CODES.items()])

    def invoke(self, ctx: Any) -> Any:
        """Run the command; whoever reads its output may leave early, as ``head`` does."""
        try:
            done = super().invoke(ctx)
            sys.stdout.flush()
            return done
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None
        except KeyboardInterrupt:
            say("stopped", "by Ctrl-C, with nothing more to save")
            raise typer.Exit(INTERRUPTED) from None
        except USAGE_ERROR as error:
            command = error.ctx.command_path if error.ctx else "deltarule"
            say("error", f"{error.format_message()} (see {command} --help)")
            raise typer.Exit(2) from None
        except DeltaruleError as error:
            say("error", error)
            raise typer.Exit(2 if isinstance(error, WRONG_INPUT) else 1) from None
        except OSError as error:
            place = f"{error.filename}: " if error.filename else ""
            say("error", f"{place}{error.strerror or error}")
            raise typer.Exit(2 if isinstance(error, WRONG_PLACE) else 1) from None
        except (typer.Exit, typer.Abort):
            raise
        except Exception as error:
            say("error", unforeseen(error))
            raise typer.Exit(1) from None


def say(kind: str, message: object) -> None:
    """Print one message to standard error, wrapped between words where it meets a screen."""
    from deltarule.cli.console import console

    console(errors=True).print(f"{kind}: {message}")
