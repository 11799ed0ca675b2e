"""The curves of `growth.py`: a column an axis, a row a number of threads.

In: rows of results. Out: a PNG file.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator
from PIL import Image

TITLES = {
    "batch": "784-256-128-10, growing batch",
    "width": "64-n-n-10, batch 64, growing width n",
    "depth": "64-128-…-128-10, batch 64, growing depth",
}
LABELS = {"batch": "rows of a batch", "width": "units of a layer", "depth": "hidden layers"}
STYLES = {
    "torch-fused": {"label": "PyTorch eager, fused", "color": "#b07aa1", "marker": "s"},
    "jax-scan": {"label": "JAX scan", "color": "#e08214", "marker": "^"},
    "deltarule": {"label": "deltarule", "color": "#08519c", "marker": "o", "linewidth": 2},
}


def draw(rows: Mapping[str, Any], path: Path) -> None:
    """Draw all curves of the rows."""
    found = [*rows.values()]
    axes = [axis for axis in TITLES if any(row["axis"] == axis for row in found)]
    threads = sorted({row["threads"] for row in found})
    size = (4.1 * len(axes), 3.4 * len(threads))
    figure, panels = plt.subplots(
        len(threads), len(axes), figsize=size, dpi=100, squeeze=False, layout="constrained"
    )
    for line, count in zip(panels, threads, strict=True):
        for panel, axis in zip(line, axes, strict=True):
            points = [row for row in found if (row["axis"], row["threads"]) == (axis, count)]
            if not points:
                panel.set_visible(False)
                continue
            one(panel, axis, sorted(points, key=lambda row: row["at"]))
            words = f"{count} thread{'s' if count > 1 else ''}"
            panel.set_title(f"{TITLES[axis]}\n{words}", fontsize=9)
    panels[0, 0].legend(fontsize=8, frameon=False)
    save(figure, path)
    plt.close(figure)


def save(figure: Any, path: Path) -> None:
    """Write a PNG of few colours, which takes a third of the space."""
    figure.canvas.draw()
    picture = Image.fromarray(np.asarray(figure.canvas.buffer_rgba())).convert("RGB")
    picture.quantize(64).save(path, optimize=True)


def one(panel: Any, axis: str, points: list[Any]) -> None:
    """One panel: microseconds a step, or a row where the batch grows."""
    share = {row["at"]: row["at"] if axis == "batch" else 1 for row in points}
    at = [row["at"] for row in points]
    for peer, style in STYLES.items():
        pairs = [(row["at"], row["median"].get(peer)) for row in points]
        kept = [(x, y / share[x]) for x, y in pairs if y is not None]
        panel.plot(*zip(*kept, strict=True), markersize=4, **style) if kept else None
    limit = [row["limit"] / share[row["at"]] for row in points]
    panel.plot(at, limit, color="0.45", linestyle=":", label="limit: measured peak")
    panel.set(xscale="log", yscale="log", xlabel=LABELS[axis])
    panel.set_ylabel("microseconds a row" if axis == "batch" else "microseconds a step")
    panel.set_xticks(
        [n for n in at if n < 100 or 2 * n not in at]
    )  # numbers of four digits need room
    for direction in (panel.xaxis, panel.yaxis):
        direction.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,g}"))
        direction.set_minor_formatter(NullFormatter())
    low, high = panel.get_ylim()
    if high < 100 * low:
        panel.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    panel.xaxis.set_minor_locator(NullLocator())
    panel.grid(which="major", color="0.9")
    panel.spines[["top", "right"]].set_visible(False)
