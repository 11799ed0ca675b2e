"""``deltarule predict MODEL TABLE``: a table with the predictions as further columns."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from deltarule.cli import options, records, show
from deltarule.cli.place import check_place

EXAMPLES = """\
deltarule predict houses_small.dr examples/data/houses_small.csv --out priced.csv
deltarule predict houses_small.dr examples/data/houses_small.csv | head -n 3
head -n 5 examples/data/houses_small.csv | deltarule predict houses_small.dr - --json
"""


def predict(
    model: options.Model,
    table: options.Table,
    out: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            help="CSV, TSV or Parquet file.  [default: CSV on standard output]",
            show_default=False,
        ),
    ] = options.STDIN,
    header: options.Header = True,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Predict every row of a table, which needs no target.

    The result is the table with a further column, predicted_TARGET; for classes also probability, the
    network's own of the class that it says.
    """
    from deltarule.data.write import delimited, write_table
    from deltarule.train.checkpoint import load
    from deltarule.train.table import predict_table

    if out != options.STDIN:
        check_place(out, "--out")
    predicted = predict_table(load(model), options.source(table), header=header)
    if not quiet:
        show.remarks(predicted.notes)
    if out != options.STDIN:
        write_table(predicted.to_table(), out)
        if not quiet:
            show.remarks([f"{len(predicted.values):,} predictions saved in {out}"])
    if json:
        saved = None if out == options.STDIN else out
        records.print_json(records.of_predictions(predicted, saved))
    elif out == options.STDIN:
        sys.stdout.buffer.write(delimited(predicted.to_table()))
