"""How results look: numbers, remarks, a network's score beside the baseline's.

In: what a command found out. Out: text for a terminal, plain and without colours in a pipe.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from deltarule.compile.profile import Profile
    from deltarule.data import Baseline
    from deltarule.train import Run
    from deltarule.train.table import TrainedTable


def output(*, errors: bool = False) -> Console:
    """Return standard output, or standard error, for rich text."""
    from rich.console import Console

    console = Console(stderr=errors, highlight=False, markup=False)
    console.soft_wrap = not console.is_terminal  # words wrap on a screen, a pipe gets whole lines
    return console


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


def trained(result: TrainedTable) -> None:
    """Print the parts a table was dealt into, how long it took, and the score on the part held out."""
    train, validate, test = result.rows
    inputs = len(result.preprocessor.feature_names)
    output().print(
        f"{result.preprocessor.task} of {result.preprocessor.target.name}: {inputs} inputs; "
        f"{train:,} rows to train, {validate:,} to validate, {test:,} to test"
    )
    lasted(result.run)
    if result.score is not None and result.baseline is not None:
        score(result.preprocessor.target.name, test, result.score, result.baseline, of="held-out")


def lasted(run: Run) -> None:
    """Print how long a training took, and why it ended."""
    why = f"; {run.stopped}" if run.stopped else ""
    output().print(f"{run.epochs} epochs in {run.seconds:.1f} s{why}")


def score(target: str, rows: int, achieved: float, baseline: Baseline, *, of: str) -> None:
    """Print a network's score beside the score of the best constant answer."""
    from rich.table import Table

    if baseline.metric == "accuracy":
        constant = "always the most frequent class"
        scores = [f"{100 * achieved:.1f} %", f"{100 * baseline.score:.1f} %"]
        gain = f"{100 * (achieved - baseline.score):+.1f} points"
    else:
        constant = "always the training mean"
        scores = [number(achieved), number(baseline.score)]
        gain = f"{100 * (achieved / baseline.score - 1):+.1f} %" if baseline.score else ""
    table = Table(title=f"{target}, {rows:,} {of} rows", title_justify="left", title_style="bold")
    for heading in ("", baseline.metric, "against the baseline"):
        table.add_column(heading, justify="right" if heading else "left")
    table.add_row("network", scores[0], gain)
    table.add_row(f"baseline: {constant}", scores[1], "")
    output().print(table)


def profile(found: Profile, top: int) -> None:
    """Print the kernels of a profile, the longest first."""
    from rich.table import Table

    table = Table(title="kernels of a training step", title_justify="left", title_style="bold")
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
            f"{row.kind}: {row.operations}, {row.places}",
        )
    output().print(table)
    output().print(found.summary)


def heading(text: str) -> None:
    """Print what comes next."""
    output().print(f"\n{text}", style="bold")


def lines(title: str, rows: Iterable[tuple[str, str]]) -> None:
    """Print names with their values below a title."""
    from rich.table import Table

    table = Table(title=title, title_justify="left", title_style="bold", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for name, value in rows:
        table.add_row(name, value)
    output().print(table)


def saved(*paths: Path) -> None:
    """Print where files were saved."""
    output().print(f"saved: {', '.join(map(str, paths))}", soft_wrap=True)  # a path stays whole
