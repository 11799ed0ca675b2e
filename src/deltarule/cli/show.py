"""How results look: numbers, remarks, a network's score beside the baseline's.

In: what a command found out. Out: text for a terminal, plain and without colours in a pipe.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from deltarule.train.scores import Scores

if TYPE_CHECKING:
    from rich.console import Console

    from deltarule.compile.profile import Profile
    from deltarule.train import Run
    from deltarule.train.table import TrainedTable


def output(*, errors: bool = False) -> Console:
    """Return standard output, or standard error, for rich text."""
    from deltarule.cli.console import console

    return console(errors=errors)


def remarks(notes: Iterable[str]) -> None:
    """Print sentences for the user to standard error."""
    console = output(errors=True)
    for note in notes:
        console.print(f"note: {note}")


def doubts(found: Scores | None, rows: int) -> list[str]:
    """What there is to say where a network is no better than the constant answer."""
    if found is None:
        return []
    (name, value), better = next(iter(found.network.items())), found.baseline
    gain = value - better[name] if name == "accuracy" else better[name] - value
    if gain > 0:
        return []
    chance = "; of so few rows this may be chance: try another --seed" if rows < FEW else ""
    return [
        f"on the {rows:,} rows that it has not seen the network is no better than the baseline; more "
        f"epochs, more rows, other columns or fewer hidden units may help{chance}"
    ]


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
            f"{result.preprocessor.task} of {target}: {inputs} input{'s' * (inputs != 1)}; "
            f"{train:,} rows to train, {validate:,} to validate, {test:,} to test"
        )
        lasted(result.run)
    if result.scores is not None:
        scores(f"{target}, {test:,} rows held out", result.scores, before=result.before)


def lasted(run: Run) -> None:
    """Print how long a training took, and why it ended."""
    best = f"the best is epoch {run.best['epoch']}" if run.epochs else ""
    why = f"; {run.stopped or best}".rstrip("; ")
    output().print(f"{run.epochs} epoch{'s' * (run.epochs != 1)} in {run.seconds:.1f} s{why}")


NAMES = {"rmse": "RMSE", "mae": "MAE", "r2": "R2", "mape": "MAPE", "f1": "F1"}
NAMES |= {"roc_auc": "ROC AUC", "log_loss": "log loss"}
PLAIN = ("r2", "explained_deviance", "f1", "roc_auc", "log_loss", "brier")  # between 0 and about 1
FEW = 100  # rows, of which a score depends on chance
SHARES = ("accuracy", "precision", "recall", "mape")


def scores(title: str, found: Scores, *, before: Scores | None = None) -> None:
    """Print a network's figures beside those of the best constant answer."""
    shown = [found.network, *([before.network] if before else []), found.baseline]
    headings = ("", "network", *(["before"] if before else []), "baseline")
    table(
        title,
        headings,
        [
            (NAMES.get(name, name), *(_figure(name, figures[name]) for figures in shown))
            for name in found.network
        ],
    )
    answer = "mean" if "rmse" in found.network else "rows' most frequent class"
    output().print(f"baseline: always the training {answer}, the best answer without inputs")


def _figure(name: str, value: float | None) -> str:
    if value is None or not math.isfinite(value):
        return "-"
    if name in PLAIN:
        return f"{round(value, 3) + 0.0:.3f}"  # 0.000, not -0.000
    return f"{100 * value:.1f} %" if name in SHARES or name.startswith("top_") else number(value)


def profile(found: Profile, top: int) -> None:
    """Print the kernels of a profile, the longest first."""
    table(
        "kernels of a training step",
        ("us a call", "time", "GFLOP/s", "of peak", "GB/s", "kernel"),
        [
            (
                f"{row.microseconds:.1f}",
                f"{row.seconds / found.seconds:.1%}",
                f"{row.flops_a_second / 1e9:.1f}",
                f"{row.peak:.1%}",
                f"{row.bytes_a_second / 1e9:.1f}",
                f"{row.kind}: {row.operations}{f', in {row.places}' if row.places else ''}",
            )
            for row in found.rows[:top]
        ],
        left=("kernel",),
    )
    output().print(found.summary)


def paragraph(text: str) -> None:
    """Print words."""
    output().print(text)


def heading(text: str) -> None:
    """Print what comes next."""
    output().print(f"\n{text}", style="bold")


def table(
    title: str,
    headings: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    left: Sequence[str] = ("",),
) -> None:
    """Print rows below a title, which may be wider than they; columns of text stand to the left."""
    from rich import box
    from rich.table import Table

    made = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, show_header=any(headings))
    for name in headings:
        text = name in left
        made.add_column(
            name, justify="left" if text else "right", no_wrap=not text, overflow="fold"
        )
    for row in rows:
        made.add_row(*row)
    heading(title)
    output().print(made)


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


def next_steps(*commands: str) -> None:
    """Print the commands that come next, where someone reads them."""
    if output().is_terminal:
        heading("Next")
        for command in commands:
            output().print(f"  {command}", soft_wrap=True)
