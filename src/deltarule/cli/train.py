"""``deltarule train TABLE --target COL``: a table to a model file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from deltarule.cli import show


def layers(text: str) -> tuple[int, ...]:
    """Return the units of each hidden layer from "64,64"; "0" is none.

    >>> layers("64,32"), layers("0")
    ((64, 32), ())
    """
    try:
        units = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a list of whole numbers such as 64,64") from None
    if units == (0,):
        return ()
    if min(units) < 1:
        raise typer.BadParameter(f"{text!r} has a layer of no units; 0 alone is no hidden layer")
    return units


def train(
    table: Annotated[Path, typer.Argument(help="CSV, TSV or Parquet file, also packed with gzip.")],
    target: Annotated[str, typer.Option(help="Column to predict.")],
    model: Annotated[
        Path | None, typer.Option(help="File to save in. [default: TABLE.dr, here]")
    ] = None,
    task: Annotated[
        str, typer.Option(help="regression, classification or auto: by the target.")
    ] = "auto",
    epochs: Annotated[int, typer.Option(min=1, help="Most passes over the rows.")] = 100,
    batch_size: Annotated[int, typer.Option(min=1, help="Rows a step.")] = 64,
    hidden: Annotated[str, typer.Option(help="Units of each hidden layer; 0 is none.")] = "128,64",
    learning_rate: Annotated[float, typer.Option(min=0, help="Rate of Adam.")] = 1e-3,
    validation: Annotated[
        float, typer.Option(help="Share of rows that tells when to stop.")
    ] = 0.15,
    test: Annotated[float, typer.Option(help="Share of rows held out and scored.")] = 0.15,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same result.")] = 0,
    category: Annotated[
        list[str] | None, typer.Option(help="Column of names that look like numbers.")
    ] = None,
    ignore: Annotated[list[str] | None, typer.Option(help="Column that is to be no input.")] = None,
    header: Annotated[bool, typer.Option(help="The first line names the columns.")] = True,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Only the score and the file.")
    ] = False,
) -> None:
    """Train a network on a table, score it on rows held out, and save it."""
    import deltarule as dr
    from deltarule.train.table import train_table

    units = layers(hidden)
    path = model or Path(table.name.split(".")[0] + ".dr")
    if not path.parent.is_dir():
        raise typer.BadParameter(f"the folder of {path} does not exist", param_hint="--model")
    trained = train_table(
        table,
        target,
        hidden=units,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        validation=validation,
        test=test,
        task=task,
        seed=seed,
        header=header,
        categories=category or (),
        ignore=ignore or (),
        progress=False if quiet else None,
    )
    dr.save(trained.model, path, preprocessor=trained.preprocessor, run=trained.run)
    if not quiet:
        show.remarks(trained.notes)
    show.trained(trained)
    show.saved(path)
