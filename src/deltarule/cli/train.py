"""``deltarule train TABLE --target COL``: a table to a model file."""

from __future__ import annotations

import warnings
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deltarule.cli import config, options, records, show
from deltarule.cli.help import INTERRUPTED
from deltarule.cli.place import check_place, check_plot, keep
from deltarule.cli.resume import check_same
from deltarule.errors import DataError

if TYPE_CHECKING:
    from deltarule.train.table import TrainedTable

EXAMPLES = """\
deltarule train examples/data/houses_small.csv --target median_house_value
deltarule train examples/data/houses_small.csv --target ocean_proximity \\
    --hidden 32,16 --activation tanh --dropout 0.1 --model coast.dr
deltarule train examples/data/houses_small.csv --continue houses_small.dr --epochs 5
deltarule train examples/data/houses_small.csv --target median_house_value \\
    --print-config > houses.toml
deltarule train --config houses.toml --epochs 5 --plot houses.png
"""
RATE = "Of the optimizer.  [default: its own; adam's is 0.001]"

in_table = partial(typer.Option, rich_help_panel="Table")
in_network = partial(typer.Option, rich_help_panel="Network")
in_training = partial(typer.Option, rich_help_panel="Training")
in_output = partial(typer.Option, rich_help_panel="Output")
in_config = partial(typer.Option, rich_help_panel="Configuration")
count: dict[str, Any] = {"min": 1, "metavar": "N"}
share = {"metavar": "SHARE"}
column = {"autocompletion": options.columns, "metavar": "COLUMN"}
activations = {"autocompletion": options.among("deltarule.nn:ACTIVATIONS"), "metavar": "NAME"}
losses = {"autocompletion": options.among("deltarule.nn:LOSSES"), "metavar": "NAME"}
rules = {"autocompletion": options.among("deltarule.optim.rules:OPTIMIZERS"), "metavar": "NAME"}


def train(
    ctx: typer.Context,
    table: options.OptionalTable = None,
    target: Annotated[str | None, in_table(help="Column to predict.", **column)] = None,
    task: Annotated[
        str, in_table(metavar="WORD", help="regression, classification, or auto: by the target.")
    ] = "auto",
    ignore: Annotated[
        list[str] | None,
        in_table(help="Column that is to be no input; may be given several times.", **column),
    ] = None,
    categories: Annotated[
        list[str] | None,
        in_table(
            *("--category", "--categories"),
            help="Column of names that look like numbers; may be given several times.",
            **column,
        ),
    ] = None,
    header: Annotated[bool, in_table(help=options.HEADER)] = True,
    validation: Annotated[
        float, in_table(help="Share of rows that tells when to stop.", **share)
    ] = 0.15,
    test: Annotated[float, in_table(help="Share of rows held out and scored.", **share)] = 0.15,
    hidden: Annotated[
        Any,
        in_network(
            parser=options.layers, metavar="UNITS", help="Units of each hidden layer; 0 is none."
        ),
    ] = "128,64",
    activation: Annotated[
        str, in_network(help="Of hidden layers: relu, tanh, logistic, gelu, ...", **activations)
    ] = "relu",
    dropout: Annotated[
        float, in_network(help="Share of hidden units dropped while training.", **share)
    ] = 0.0,
    loss: Annotated[
        str,
        in_training(
            help="mse, mae, huber, log_cosh, cross_entropy, ...; auto: by the task.", **losses
        ),
    ] = "auto",
    optimizer: Annotated[str, in_training(help="adam, adamw, sgd, rmsprop, ...", **rules)] = "adam",
    learning_rate: Annotated[
        float | None,
        in_training(metavar="RATE", help=RATE),
    ] = None,
    epochs: Annotated[int, in_training(help="Most passes over the rows.", **count)] = 100,
    batch_size: Annotated[int, in_training(help="Rows a step.", **count)] = 64,
    patience: Annotated[
        int, in_training(help="Epochs without a better validation loss before it stops.", **count)
    ] = 10,
    class_weight: Annotated[
        str | None,
        in_training(metavar="WORD", help="balanced: rare classes weigh as much as frequent ones."),
    ] = None,
    seed: Annotated[int, in_training(min=0, metavar="N", help="Same seed, same result.")] = 0,
    resume: Annotated[
        Path | None,
        in_training(
            "--continue", metavar="MODEL", help="Train this model further, on parts dealt as then."
        ),
    ] = None,
    model: Annotated[
        Path | None,
        in_output(metavar="FILE", help="File to save in.  [default: TABLE.dr, or the MODEL]"),
    ] = None,
    metrics: Annotated[
        Any,
        in_output(parser=options.names, metavar="NAMES", help="Further measures: mape,r2,roc_auc."),
    ] = "",
    plot: Annotated[
        Path | None, in_output(metavar="FILE", help="Curves of the training: .png, .svg or .pdf.")
    ] = None,
    json: Annotated[bool, in_output("--json", help=options.JSON)] = False,
    quiet: Annotated[bool, in_output("--quiet", "-q", help=options.QUIET)] = False,
    config_file: Annotated[
        Path | None,
        in_config(
            "--config",
            metavar="FILE",
            callback=config.use,
            is_eager=True,
            help="TOML file that says what flags say; flags override it.",
        ),
    ] = None,
    print_config: Annotated[
        bool,
        in_config(
            "--print-config", help="Print such a file with all settings as they are, and end."
        ),
    ] = False,
) -> None:
    """Train a network on a table, score it, and save it.

    Numbers, categories and missing values are recognized; inputs and target are scaled. Training stops
    when the loss on the validation rows does, and keeps the best weights; rows held out are only scored.
    Ctrl-C saves the best so far.
    """
    if print_config:
        print(config.written(ctx), end="")
        return
    if table is None:
        raise DataError(
            "TABLE is missing: name the file to learn from, or - for standard input; deltarule train "
            "--help shows examples"
        )
    if target is None and resume is None:
        raise DataError(_which_target(table))
    place = model or resume or Path(table.name.split(".")[0].replace("-", "stdin") + ".dr")
    check_place(place, "--model")
    if plot:
        check_plot(plot)
    replaced = place.exists()
    trained = _train(ctx)
    interrupted = trained.run.stopped == "interrupted"
    if not trained.run.carry.count:
        raise KeyboardInterrupt  # nothing is learned that could be kept
    saved = keep(trained.model, place, trained.run)
    if not trained.run.epochs:
        plot = None  # there is no curve yet
    if plot:
        trained.run.plot(plot)
    _report(trained, saved, replaced and saved == place, plot, json=json, quiet=quiet)
    if interrupted:
        show.interrupted(trained.run, saved)
        raise typer.Exit(INTERRUPTED)
    if saved != place:
        raise typer.Exit(1)


def _train(ctx: typer.Context) -> TrainedTable:
    """Call ``train_table`` or ``continue_table`` with the values of the command line."""
    from deltarule.train.checkpoint import load
    from deltarule.train.table import continue_table, train_table

    given = ctx.params
    source = options.source(given["table"])
    common = (
        *("loss", "optimizer", "learning_rate", "epochs", "batch_size", "patience"),
        *("class_weight", "metrics", "header"),
    )
    settings = {name: given[name] for name in common}
    settings["progress"] = False if given["quiet"] else None
    warnings.filterwarnings("ignore", "training was interrupted")  # the report says it
    if given["resume"] is None:
        own = ("hidden", "activation", "dropout", "task", "validation", "test", "seed")
        settings |= {name: given[name] for name in own}
        settings |= {name: given[name] or () for name in ("categories", "ignore")}
        return train_table(source, given["target"], **settings)
    net = load(given["resume"])
    check_same(ctx, net)
    parts = {
        name: given[name] for name in ("validation", "test", "seed") if options.given(ctx, name)
    }
    return continue_table(net, source, **settings, **parts)


def _which_target(table: Path) -> str:
    """What to say where no target is named."""
    try:
        found = [] if table == options.STDIN else options.columns_of(table)
    except OSError:
        found = []
    shown = ", ".join(found[:12]) + (" ..." if len(found) > 12 else "")
    known = f"; {table} has {shown}" if found else ""
    return f"--target is missing: name the column to predict{known}"


def _report(
    trained: TrainedTable,
    saved: Path,
    replaced: bool,
    plot: Path | None,
    *,
    json: bool,
    quiet: bool,
) -> None:
    if not quiet:
        show.remarks([*trained.notes, *show.doubts(trained.scores, trained.rows[2])])
    if json:
        records.print_json(records.of_training(trained, saved, plot))
        return
    show.trained(trained, quiet=quiet)
    show.saved(*(path for path in (saved, plot) if path), replaced=replaced)
    if not quiet:
        show.next_steps(f"deltarule inspect {saved}", f"deltarule predict {saved} NEW_TABLE")
