"""``deltarule predict MODEL TABLE``: a table with the predictions as further columns."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from deltarule.cli import show


def predict(
    model: Annotated[Path, typer.Argument(help="File that `deltarule train` saved.")],
    table: Annotated[
        Path, typer.Argument(help="Table with the input columns; the target may be missing.")
    ],
    out: Annotated[
        Path | None, typer.Option(help="CSV, TSV or Parquet file. [default: CSV, printed]")
    ] = None,
    header: Annotated[bool, typer.Option(help="The first line names the columns.")] = True,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No remarks about the table.")
    ] = False,
) -> None:
    """Predict every row of a table."""
    import deltarule as dr
    from deltarule.data.write import delimited, write_table
    from deltarule.train.table import predict_table

    predicted = predict_table(dr.load(model), table, header=header)
    if not quiet:
        show.remarks(predicted.notes)
    if out is None:
        sys.stdout.buffer.write(delimited(predicted.to_table()))
    else:
        write_table(predicted.to_table(), out)
        show.remarks([f"{len(predicted.values):,} predictions saved in {out}"] * (not quiet))
