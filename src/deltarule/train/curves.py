"""The curves of a training: a figure for files and windows, a page for notebooks.

In: a ``Run``. Out: one panel for each figure, training beside validation, and the epochs that matter.
"""

from __future__ import annotations

import math
from html import escape
from io import StringIO
from typing import TYPE_CHECKING, Any

from deltarule.train.figures import DIRECTIONS, SPEED, VALIDATION

if TYPE_CHECKING:
    from deltarule.train.run import Run

COLUMNS = 3
PANEL = 4.4, 3.2  # inches
SPREAD = 20.0  # of a loss, largest by smallest, from which on its axis is logarithmic


def curves(run: Run) -> Any:
    """The matplotlib figure of a run's history."""
    from matplotlib.figure import Figure

    run.check_any()
    shown = [name.removeprefix(VALIDATION) for name in run.history if name != SPEED]
    names = list(dict.fromkeys(shown))
    down = math.ceil(len(names) / COLUMNS)
    across = math.ceil(len(names) / down)
    figure = Figure(figsize=(PANEL[0] * across, PANEL[1] * down), layout="constrained")
    panels = list(figure.subplots(down, across, squeeze=False).flat)
    for axes in panels[len(names) :]:
        axes.remove()
    for axes, name in zip(panels, names, strict=False):
        _panel(axes, run, name)
    return figure


def _panel(axes: Any, run: Run, name: str) -> None:
    """One figure of training and validation over the epochs."""
    epochs = range(1, run.epochs + 1)
    mark = "o" if run.epochs == 1 else None
    found = [
        (run.history[key], label)
        for key, label in ((name, "training"), (VALIDATION + name, "validation"))
        if key in run.history
    ]
    colours = {"training": "C0", "validation": "C1"}
    for values, label in found:
        axes.plot(epochs, values, color=colours[label], marker=mark, label=label)
    best = best_epoch(run, name)
    if best and run.epochs > 1:
        axes.axvline(best, color="0.6", linestyle=":", zorder=0, label=f"best: epoch {best}")
    values = [x for column, _ in found for x in column if math.isfinite(x)]
    _scales(axes, run.epochs, values if name == "loss" else [])
    axes.set_xlabel("epoch")
    axes.set_ylabel(name)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    axes.legend(frameon=False)


def _scales(axes: Any, epochs: int, losses: list[float]) -> None:
    """Whole epochs; a logarithmic axis for losses that spread far, with plain numbers."""
    from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

    axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10], min_n_ticks=1))
    if epochs == 1:
        axes.set_xticks([1])
    if losses and min(losses) > 0 and max(losses) > SPREAD * min(losses):
        axes.set_yscale("log")
        decades = math.log10(max(losses) / min(losses))
        subs = (1.0, 2.0, 5.0) if decades < 3 else (1.0,)
        axes.yaxis.set_major_locator(LogLocator(subs=subs))
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())


def best_epoch(run: Run, name: str) -> int:
    """The best epoch by a figure, on the validation rows where there are some; 0 if not known."""
    key = VALIDATION + name if VALIDATION + name in run.history else name
    known = name in DIRECTIONS or name.startswith("top_")
    any_number = not all(map(math.isnan, run.history[key]))
    return int(run.best_by(key)["epoch"]) if known and any_number else 0


def page(run: Run) -> str:
    """A small table and the curves, as HTML."""
    stopped = f"; stopped: {run.stopped}" if run.stopped else ""
    restored = f"; the weights are those of epoch {run.restored}" if run.restored else ""
    head = f"{run.epochs} epochs in {run.seconds:.1f} s, seed {run.seed}{stopped}{restored}"
    if not run.epochs:
        return f"<p>{escape(head)}</p>"
    rows = []
    for name, values in run.history.items():
        if name == SPEED:
            continue
        best = best_epoch(run, name.removeprefix(VALIDATION))
        shown = f"{values[best - 1]:.5g}" if best else ""
        cells = (name, f"{values[-1]:.5g}", shown, f"{best}" if best else "")
        rows.append("".join(f"<td>{escape(cell)}</td>" for cell in cells))
    titles = ("figure", "last", "at best", "epoch")
    header = "".join(f"<th>{title}</th>" for title in titles)
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return (
        f"<p>{escape(head)}</p><table><thead><tr>{header}</tr></thead><tbody>{body}</tbody></table>"
        f"{_svg(curves(run))}"
    )


def _svg(figure: Any) -> str:
    """The figure as an SVG element."""
    text = StringIO()
    figure.savefig(text, format="svg")
    return text.getvalue()[text.getvalue().index("<svg") :]
