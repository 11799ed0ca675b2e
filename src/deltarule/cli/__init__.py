"""The command line: one command a file, each a thin layer over a function that Python users call too.

In: arguments, tables and model files. Out: results on standard output, remarks and errors on standard
error; exit code 0 when all went well, 1 when the work failed, 2 when the input or the usage is wrong.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence

import typer

from deltarule.cli.demo import demo
from deltarule.cli.evaluate import evaluate
from deltarule.cli.explain import explain
from deltarule.cli.predict import predict
from deltarule.cli.profile import profile
from deltarule.cli.train import train
from deltarule.cli.unforeseen import unforeseen
from deltarule.cli.verify import verify
from deltarule.errors import DataError, DeltaruleError, ModelFileError

app = typer.Typer(
    help="Neural networks by backpropagation: fast, proven, and shown.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for command in (train, predict, evaluate, explain, verify, profile, demo):
    app.command()(command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit; an error is one message, never a traceback."""
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_: say("note", message)
        try:
            app(args=arguments, prog_name="deltarule")
        except (DeltaruleError, OSError) as error:
            say("error", error)
            sys.exit(2 if isinstance(error, DataError | ModelFileError) else 1)
        except Exception as error:
            say("error", unforeseen(error))
            sys.exit(1)


def say(kind: str, message: object) -> None:
    """Print one message to standard error."""
    print(f"{kind}: {message}", file=sys.stderr)
