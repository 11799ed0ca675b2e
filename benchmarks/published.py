"""Published test errors of dense networks on MNIST and Fashion-MNIST, beside ours with one recipe for all.

In: the files in the folder DELTARULE_DATA. Out: a table, and rows of `results/published.json`. Nothing is
chosen by the test images: all have Adam, 1e-3 falling to zero along a cosine, batches of 128, 20 epochs.

    python benchmarks/published.py fashion-mnist --seeds 0 1 2
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

import deltarule as dr

sys.path.append(str(Path(__file__).parents[1] / "examples"))

import images
from measure import RESULTS, keep_rows
from show import console

EPOCHS, BATCH, RATE = 20, 128, 1e-3
PAGE = "table of the MNIST page"
PAPER = "Xiao and others 2017, table 3"
# accuracy on Fashion-MNIST and on MNIST, of scikit-learn's MLPClassifier
OF_PAPER = {
    ("relu", 100): (0.871, 0.972),
    ("relu", 100, 10): (0.870, 0.972),
    ("tanh", 100): (0.868, 0.962),
    ("tanh", 100, 10): (0.863, 0.957),
    ("relu", 10, 10): (0.850, 0.936),
    ("relu", 10): (0.848, 0.933),
    ("tanh", 10, 10): (0.841, 0.921),
    ("tanh", 10): (0.840, 0.921),
}


@dataclass(frozen=True)
class Figure:
    """A published test error in percent, and the network that it is of."""

    data: str
    hidden: tuple[int, ...]
    error: float
    source: str
    activation: str = "relu"
    loss: str = "cross_entropy"

    @property
    def name(self) -> str:
        """The network in words."""
        inner = "".join(f"{n}-" for n in self.hidden)
        loss = "" if self.loss == "cross_entropy" else f", {self.loss}"
        return f"784-{inner}10{f', {self.activation}' if inner else ''}{loss}"


FIGURES = [
    Figure("mnist", (), 12.0, PAGE, loss="mse"),
    Figure("mnist", (300,), 4.7, PAGE, loss="mse"),
    Figure("mnist", (1000,), 4.5, PAGE, loss="mse"),
    Figure("mnist", (300, 100), 3.05, PAGE, loss="mse"),
    Figure("mnist", (500, 150), 2.95, PAGE, loss="mse"),
    Figure("mnist", (500, 300), 1.53, "Hinton 2005, weight decay"),
    Figure("mnist", (800,), 1.6, "Simard and others 2003"),
]
for (activation, *hidden), accuracies in OF_PAPER.items():
    for data, accuracy in zip(("fashion-mnist", "mnist"), accuracies, strict=True):
        error = round(100 * (1 - accuracy), 1)
        FIGURES.append(Figure(data, tuple(hidden), error, PAPER, activation))


def trained(figure: Figure, X: np.ndarray, y: np.ndarray, seed: int) -> dr.Module:
    """The network of a figure; the mean square error is taken from classes written as 0 and 1."""
    layers = (dr.Dense(n, figure.activation) for n in figure.hidden)
    net = dr.Sequential(*layers, dr.Dense(10))
    rule = dr.Adam(dr.CosineDecay(RATE, EPOCHS * -(-len(X) // BATCH)))
    targets = y if figure.loss == "cross_entropy" else np.eye(10, dtype=np.float32)[y]
    settings: dict[str, Any] = {"optimizer": rule, "epochs": EPOCHS, "batch_size": BATCH}
    dr.fit(net, X, targets, loss=figure.loss, seed=seed, progress=False, **settings)
    return net


def row(figure: Figure, data: list[np.ndarray], seeds: list[int]) -> dict[str, Any]:
    """Test errors of each seed."""
    X, y, X_test, y_test = data
    errors = [images.error(trained(figure, X, y, seed), X_test, y_test) for seed in seeds]
    print(figure.data, figure.name, errors, flush=True)
    row = {"published": figure.error, "source": figure.source, "mean": float(np.mean(errors))}
    return {**row, "errors": dict(zip(map(str, seeds), errors, strict=True))}


def table_of(rows: dict[str, dict[str, Any]]) -> Table:
    """Published and ours, and who published it."""
    table = Table("data, network", "published", "ours", "seeds", "source", box=None, pad_edge=False)
    for name, row in rows.items():
        errors = row["errors"].values()
        spread = f"{min(errors):.2f} to {max(errors):.2f}"
        table.add_row(name, f"{row['published']:g}", f"{row['mean']:.2f}", spread, row["source"])
    return table


def main() -> None:
    """Train the networks whose name holds one of the words that the command gives."""
    parser = argparse.ArgumentParser()
    parser.add_argument("words", nargs="*", default=[""], help="parts of names, such as mnist 800")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=RESULTS / "published.json")
    given = parser.parse_args()
    rows, loaded = {}, {}
    for figure in FIGURES:
        name = f"{figure.data}, {figure.name}"
        if any(word in name for word in given.words):
            if figure.data not in loaded:
                loaded[figure.data] = images.load(figure.data)
            rows[name] = row(figure, loaded[figure.data], given.seeds)
            keep_rows(given.out, {name: rows[name]})
    console().print(table_of(rows))


if __name__ == "__main__":
    main()
