"""How results look: numbers, remarks, a network's score beside the baseline's.

In: what a command found out. Out: text for a terminal, plain and without colours in a pipe.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deltarule.train.scores import Scores

if TYPE_CHECKING:
    from rich.console import Console

    from deltarule.compile.profile import Profile
    from deltarule.train import Run
    from deltarule.train.describe import Description
    from deltarule.train.table import TrainedTable


def output(*, errors: bool = False) -> Console:
    """Return standard output, or standard error, for rich text."""
    from deltarule.cli.console import console

    return console(errors=errors)


def remarks(notes: Iterable[str]) -> None:
    """Print sentences for the user to standard error."""
    console = output(errors=True)
    for note in notes:
        console.print(f"note: {note}", style="dim")


def number(value: float) -> str:
    """Return a number with four significant digits, or whole with its thousands apart.

    >>> [number(value) for value in (52310.4, 0.0312345, 1.5, 250.0)]
    ['52,310', '0.03123', '1.5', '250']
    """
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def trained(result: TrainedTable, *, quiet: bool = False) -> None:
    """Print the parts a table was dealt into, how long it took, and the scores on the part held out."""
    train, validate, test = result.rows
    target = result.preprocessor.target.name
    if not quiet:
        inputs = len(result.preprocessor.feature_names)
        output().print(
            f"{result.preprocessor.task} of {target}: {inputs} inputs; "
            f"{train:,} rows to train, {validate:,} to validate, {test:,} to test"
        )
        lasted(result.run)
    if result.scores is not None:
        scores(f"{target}, {test:,} rows held out", result.scores, before=result.before)


def lasted(run: Run) -> None:
    """Print how long a training took, and why it ended."""
    why = f"; {run.stopped}" if run.stopped else ""
    best = f"; the best is epoch {run.best['epoch']}" if run.epochs else ""
    output().print(f"{run.epochs} epochs in {run.seconds:.1f} s{best}{why}")


NAMES = {"rmse": "RMSE", "mae": "MAE", "r2": "R2", "mape": "MAPE", "roc_auc": "ROC AUC"}
SHARES = ("accuracy", "precision", "recall", "mape")


def scores(title: str, found: Scores, *, before: Scores | None = None) -> None:
    """Print a network's figures beside those of the best constant answer."""
    table = _table(title)
    for heading in ("", "network", *(["before"] if before else []), "baseline"):
        table.add_column(heading, justify="right" if heading else "left", no_wrap=True)
    for name, value in found.network.items():
        columns = [value, *([before.network[name]] if before else []), found.baseline[name]]
        table.add_row(NAMES.get(name, name), *(_figure(name, figure) for figure in columns))
    output().print(table)
    answer = "mean" if "rmse" in found.network else "rows' most frequent class"
    output().print(f"baseline: always the training {answer}, the best answer without inputs")


def _figure(name: str, value: float) -> str:
    if not math.isfinite(value):
        return "-"
    return f"{100 * value:.1f} %" if name in SHARES or name.startswith("top_") else number(value)


def _table(title: str) -> Any:
    from rich import box
    from rich.table import Table

    return Table(
        title=f"\n{title}",
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
    )


def description(file: str, found: Description) -> None:
    """Print what is in a model."""
    print_ = output().print
    count = f"{found.parameters:,} parameters, {found.dtype}"
    print_(f"{file}: {count}", style="bold")
    table = _table("layers")
    for heading in ("layer", "kind", "outputs", "parameters"):
        table.add_column(heading, justify="right" if heading == "parameters" else "left")
    table.add_row("inputs", "", _shape(found.row), "")
    for layer in found.layers:
        table.add_row(layer.name, layer.kind, _shape(layer.outputs), f"{layer.parameters:,}")
    print_(table)
    if found.columns:
        table = _table("columns")
        for heading in ("column", "kind", "what becomes of it"):
            table.add_column(heading, overflow="fold")
        for column in found.columns:
            table.add_row(column.name, column.kind, column.treatment)
        print_(table)
    if found.target:
        print_(f"target: {_target(found.target)}")
    if found.trained:
        _training(found.trained)


def _shape(shape: tuple[int, ...] | None) -> str:
    return "" if shape is None else " x ".join(map(str, shape)) or "1"


def _target(target: dict[str, Any]) -> str:
    head = f"{target['name']}, {target['task']}"
    if "classes" in target:
        listed = [f"{item['class']} ({item['rows']:,} rows)" for item in target["classes"][:12]]
        more = len(target["classes"]) - 12
        return f"{head}: {', '.join(listed)}{f' and {more} more' if more > 0 else ''}"
    return f"{head}: (y - {number(target['mean'])}) / {number(target['scale'])}"


def _training(trained: dict[str, Any]) -> None:
    print_ = output().print
    if "table" in trained:
        rows = trained["rows"]
        print_(
            f"trained on: {trained['table']}; {rows['train']:,} rows to train, "
            f"{rows['validation']:,} to validate, {rows['test']:,} to test"
        )
        print_(f"by: {trained['loss']}, {trained['optimizer']}, batches of {trained['batch_size']}")
    print_(
        f"epochs: {trained['epochs']} in {trained['seconds']:.1f} s, best {trained['best_epoch']}, seed "
        f"{trained['seed']}, deltarule {trained['version']}"
    )
    if trained.get("scores"):
        scores("rows held out", Scores(trained["scores"], trained["baseline"]))
    history(trained["history"])


def history(figures: dict[str, list[float]], rows: int = 10) -> None:
    """Print the figures of some epochs, spread evenly from the first to the last."""
    epochs = len(figures["loss"])
    shown = [name for name in figures if name != "rows_per_second"]
    table = _table("history")
    for heading in ("epoch", *shown):
        table.add_column(heading, justify="right", no_wrap=True)
    most = min(rows, epochs)
    for i in dict.fromkeys(round(k * (epochs - 1) / max(1, most - 1)) for k in range(most)):
        table.add_row(str(i + 1), *(f"{figures[name][i]:.4g}" for name in shown))
    output().print(table)


def profile(found: Profile, top: int) -> None:
    """Print the kernels of a profile, the longest first."""
    table = _table("kernels of a training step")
    for word in ("us a call", "time", "GFLOP/s", "of peak", "GB/s"):
        table.add_column(word, justify="right", no_wrap=True)
    table.add_column("kernel")
    for row in found.rows[:top]:
        table.add_row(
            f"{row.microseconds:.1f}",
            f"{row.seconds / found.seconds:.1%}",
            f"{row.flops_a_second / 1e9:.1f}",
            f"{row.peak:.1%}",
            f"{row.bytes_a_second / 1e9:.1f}",
            f"{row.kind}: {row.operations}{f', in {row.places}' if row.places else ''}",
        )
    output().print(table)
    output().print(found.summary)


def heading(text: str) -> None:
    """Print what comes next."""
    output().print(f"\n{text}", style="bold")


def lines(title: str, rows: Iterable[tuple[str, str]]) -> None:
    """Print names with their values below a title."""
    table = _table(title)
    table.show_header = False
    table.add_column()
    table.add_column(justify="right")
    for name, value in rows:
        table.add_row(name, value)
    output().print(table)


def saved(*paths: Path, replaced: bool = False) -> None:
    """Print where files were saved, and whether the first is in the place of an older one."""
    first, *rest = map(str, paths)
    words = [f"{first} (replaced)" if replaced else first, *rest]
    output().print(f"saved: {', '.join(words)}", soft_wrap=True)  # a path stays whole


def interrupted(run: Run, model: Path) -> None:
    """Print, to standard error, which weights a stopped training left in which file."""
    kept = "the weights reached then"
    if "val_loss" in run.history and run.epochs:
        kept = f"the weights of epoch {run.best['epoch']}, the best so far,"
    remarks([f"stopped by Ctrl-C after {run.epochs} epochs; {kept} are saved in {model}"])


def next_steps(model: Path) -> None:
    """Print the commands that come next, where someone reads them."""
    if output().is_terminal:
        output().print(
            f"next: deltarule inspect {model}; deltarule predict {model} NEW_TABLE", soft_wrap=True
        )
