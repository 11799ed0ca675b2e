"""Arguments and options that several commands share, and what the shell completes for them.

In: words of a command line. Out: values of Python, or an error that names the option.
"""

from __future__ import annotations

import csv
import gzip
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

STDIN = Path("-")
DELIMITERS = ",;\t|"

TABLE = "CSV, TSV or Parquet file, also packed with gzip; - is standard input."
HEADER = "Whether the first line names the columns; else they are col1, col2, ..."
QUIET = "Results only: no remarks, no bar."
JSON = "Print the results as one JSON object."

Table = Annotated[Path, typer.Argument(metavar="TABLE", help=TABLE, show_default=False)]
OptionalTable = Annotated[Path | None, typer.Argument(metavar="TABLE", help=TABLE)]
Model = Annotated[Path, typer.Argument(metavar="MODEL", help="File that `deltarule train` saved.")]
Header = Annotated[bool, typer.Option("--header/--no-header", help=HEADER)]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help=QUIET)]
Json = Annotated[bool, typer.Option("--json", help=JSON)]
Metrics = Annotated[
    Any,
    typer.Option(
        parser=lambda text: names(text), metavar="NAMES", help="Further measures: mape,r2,roc_auc."
    ),
]


def given(ctx: typer.Context, name: str) -> bool:
    """Whether a value was given, by a flag or a file, and is not the default."""
    where = ctx.get_parameter_source(name)
    return where is not None and where.name != "DEFAULT"


def source(table: Path) -> Any:
    """What ``read_table`` takes for a table: its path, or standard input."""
    if table != STDIN:
        return table
    if sys.stdin.isatty():
        print("note: reading the table from the keyboard; Ctrl-D ends it", file=sys.stderr)
    return sys.stdin.buffer


def layers(text: Any) -> Any:
    """Return the units of each hidden layer from "64,64"; "0" is none.

    >>> layers("64,32"), layers("0")
    ([64, 32], [])
    """
    if not isinstance(text, str):
        return text
    try:
        units = [int(part) for part in text.split(",")]
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a list of whole numbers such as 64,64") from None
    if units == [0]:
        return []
    if min(units) < 1:
        raise typer.BadParameter(f"{text!r} has a layer of no units; 0 alone is no hidden layer")
    return units


def names(text: Any) -> Any:
    """Return names from "mae,r2".

    >>> names("mae, r2"), names("")
    (['mae', 'r2'], [])
    """
    return (
        [part.strip() for part in text.split(",") if part.strip()]
        if isinstance(text, str)
        else text
    )


# --- what the shell completes ---


def among(table: str) -> Callable[[str], list[str]]:
    """A completion by the names in a table of ours, ``"deltarule.nn:LOSSES"``."""

    def complete(incomplete: str) -> list[str]:
        from importlib import import_module

        module, name = table.split(":")
        return [
            word for word in getattr(import_module(module), name) if word.startswith(incomplete)
        ]

    return complete


def columns(ctx: typer.Context, incomplete: str) -> list[str]:
    """The columns of the table that stands on the command line already."""
    table = ctx.params.get("table") or next(iter(ctx.args), None)  # before an unfinished option
    try:
        found = columns_of(Path(table)) if table else []
    except OSError:
        return []
    return [name for name in found if name.startswith(incomplete)]


def columns_of(path: Path) -> list[str]:
    """The names in the first line of a delimited file, without reading the rest; of Parquet, its own.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "flats.csv"
    ...     _ = file.write_text('rooms;"size; m2";rent\\n3;70;900\\n')
    ...     columns_of(file)
    ['rooms', 'size; m2', 'rent']
    """
    with path.open("rb") as file:
        start = file.read(4)
    if start == b"PAR1":
        from pyarrow import parquet

        return list(parquet.read_schema(path).names)
    opened = gzip.open(path) if start.startswith(b"\x1f\x8b") else path.open("rb")
    with opened as file:
        line = file.readline(1 << 16).decode("utf-8-sig", errors="replace")
    delimiter = max(DELIMITERS, key=line.count)
    return next(csv.reader([line], delimiter=delimiter), [])
