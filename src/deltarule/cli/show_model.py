"""How a model reads: layers, columns, target, training.

In: a ``Description``. Out: text for a terminal, plain in a pipe.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from deltarule.cli import show
from deltarule.train.scores import Scores

if TYPE_CHECKING:
    from deltarule.train.describe import Description

CLASSES = 12  # named; more are counted
EPOCHS = 10  # of the history


def description(file: str, found: Description) -> None:
    """Print what is in a model."""
    count = f"{found.parameters:,} parameters, {found.dtype}"
    show.output().print(f"{file}: {count}", style="bold")
    rows = [("inputs", "", _shape(found.row), "")]
    rows += [
        (layer.name, layer.kind, _shape(layer.outputs), f"{layer.parameters:,}")
        for layer in found.layers
    ]
    texts = ("layer", "kind", "outputs")
    show.table("layers", (*texts, "parameters"), rows, left=texts)
    if found.columns:
        texts = ("column", "kind", "what becomes of it")
        columns = [(column.name, column.kind, column.treatment) for column in found.columns]
        show.table("columns", texts, columns, left=texts)
    if found.target:
        show.output().print(f"target: {_target(found.target)}")
    if found.trained:
        _training(found.trained)


def _shape(shape: tuple[int, ...] | None) -> str:
    return "" if shape is None else " x ".join(map(str, shape)) or "1"


def _target(target: dict[str, Any]) -> str:
    head = f"{target['name']}, {target['task']}"
    if "classes" not in target:
        return f"{head}: (y - {show.number(target['mean'])}) / {show.number(target['scale'])}"
    listed = [f"{item['class']} ({item['rows']:,} rows)" for item in target["classes"][:CLASSES]]
    more = len(target["classes"]) - CLASSES
    return f"{head}: {', '.join(listed)}{f' and {more} more' if more > 0 else ''}"


def _training(trained: dict[str, Any]) -> None:
    """Print on what, how and how long a network was trained, its scores and its history."""
    show.heading("training")
    print_ = show.output().print
    if "table" in trained:
        rows = trained["rows"]
        print_(
            f"{trained['table']}: {rows['train']:,} rows to train, "
            f"{rows['validation']:,} to validate, {rows['test']:,} to test"
        )
        print_(
            f"{trained['loss']}, {trained['optimizer']}, batches of {trained['batch_size']} rows"
        )
    print_(
        f"{trained['epochs']} epochs in {trained['seconds']:.1f} s, seed {trained['seed']}, "
        f"deltarule {trained['version']}"
    )
    if trained["stopped"]:
        print_(trained["stopped"])
    if trained.get("scores"):
        scores = Scores(trained["scores"], trained["baseline"])
        show.scores(f"{trained['rows']['test']:,} rows held out", scores)
    if trained["epochs"]:
        _history(trained["history"], trained["best_epoch"])


def _history(history: dict[str, list[float]], best: int) -> None:
    """Print the figures of some epochs, spread evenly from the first to the last, and of the best."""
    epochs = len(history["loss"])
    names = [name for name in history if name != "rows_per_second"]
    shown = {best - 1}
    for k in range(EPOCHS):
        shown.add(round(k * (epochs - 1) / (EPOCHS - 1)))
    rows = [
        (
            f"{i + 1}{' (best)' if i + 1 == best else ''}",
            *(f"{history[name][i]:.4g}" for name in names),
        )
        for i in sorted(shown)
    ]
    show.table("history", ("epoch", *names), rows, left=("epoch",))
