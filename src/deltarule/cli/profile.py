"""``deltarule profile TABLE --target COL``: where the time of a training step goes."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from deltarule.cli import options, records, show

EXAMPLES = """\
deltarule profile examples/data/houses_small.csv --target median_house_value
deltarule profile examples/data/houses_small.csv --target ocean_proximity --hidden 32 --top 5
"""


def profile(
    table: options.Table,
    target: Annotated[
        str,
        typer.Option(help="Column to predict.", autocompletion=options.columns, metavar="COLUMN"),
    ],
    hidden: Annotated[
        Any,
        typer.Option(
            parser=options.layers, metavar="UNITS", help="Units of each hidden layer; 0 is none."
        ),
    ] = "128,64",
    batch_size: Annotated[int, typer.Option(min=1, metavar="N", help="Rows a step.")] = 64,
    top: Annotated[int, typer.Option(min=1, metavar="N", help="Most kernels shown.")] = 20,
    json: options.Json = False,
) -> None:
    """Show where the time of a training step goes, kernel by kernel.

    Beside it stands how near each kernel is to the machine's limit: the measured peak of multiply-adds of
    the threads at work. What only moves memory is far from it and shown by its gigabytes a second.
    """
    from deltarule.train.profile import profile_table

    found = profile_table(options.source(table), target, hidden=hidden, batch_size=batch_size)
    if json:
        records.print_json(records.of_profile(found, top))
    else:
        show.profile(found, top)
