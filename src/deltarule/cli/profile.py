"""``deltarule profile TABLE --target COL``: where the time of a training step goes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from deltarule.cli import show
from deltarule.cli.train import layers


def profile(
    table: Annotated[Path, typer.Argument(help="CSV, TSV or Parquet file, also packed with gzip.")],
    target: Annotated[str, typer.Option(help="Column to predict.")],
    hidden: Annotated[str, typer.Option(help="Units of each hidden layer; 0 is none.")] = "128,64",
    batch_size: Annotated[int, typer.Option(min=1, help="Rows a step.")] = 64,
    top: Annotated[int, typer.Option(min=1, help="Most kernels shown.")] = 20,
) -> None:
    """Show what each kernel of a training step takes, and how near the machine's limit it is.

    The limit is the measured peak of multiply-adds of the threads at work; what only moves memory is far
    from it and shown by its gigabytes a second.
    """
    from deltarule.train.profile import profile_table

    show.profile(profile_table(table, target, hidden=layers(hidden), batch_size=batch_size), top)
