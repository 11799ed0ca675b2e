"""The command line: one command a file, each a thin layer over a function that Python users call too.

In: arguments, tables and model files. Out: results on standard output, remarks and errors on standard
error; exit code 0 when all went well, 1 when the work failed, 2 when the input or the usage is wrong, 130
after Ctrl-C.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Annotated

import typer

from deltarule.cli import demo, evaluate, explain, inspect, predict, profile, train, verify
from deltarule.cli.help import Command, Commands, say
from deltarule.version import __version__

PATH = """\
deltarule train TABLE --target COLUMN   a model file, and its score beside a baseline's
deltarule evaluate MODEL TABLE          the score on another table
deltarule predict MODEL TABLE           predictions for new rows
deltarule inspect MODEL                 what is in the file
deltarule COMMAND --help                options, and examples that run as they stand
"""

app = typer.Typer(
    cls=Commands,
    epilog=PATH,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["--help", "-h"]},
)
for module in (train, evaluate, predict, inspect, explain, verify, profile, demo):
    name = module.__name__.rsplit(".", 1)[-1]
    app.command(cls=Command, epilog=module.EXAMPLES)(getattr(module, name))


def print_version(asked: bool) -> None:
    """Print the version and end, where that is asked for."""
    if asked:
        print(f"deltarule {__version__}")
        raise typer.Exit


@app.callback()
def deltarule(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version, and end.", is_eager=True, callback=print_version
        ),
    ] = False,
) -> None:
    """Neural networks by backpropagation: fast, proven, and shown."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit; an error is one message, never a traceback."""
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_: say("note", message)
        app(args=arguments, prog_name="deltarule")
