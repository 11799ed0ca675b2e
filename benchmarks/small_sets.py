"""The data sets that come with FANN, most of them from PROBEN1: test error beside scikit-learn.

In: `proben1_fann/NAME.train.gz` and `NAME.test.gz` in the folder DELTARULE_DATA. Out: a table, and rows of
`results/small_sets.json`. Both have the same network, rule, batches and epochs; inputs are as the files have
them. Where targets are 0 and 1 the error is a percentage, elsewhere the mean square.
"""

from __future__ import annotations

import argparse
import gzip
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor

import deltarule as dr

from measure import RESULTS, keep_rows
from show import console

HIDDEN, EPOCHS, BATCH, RATE = 32, 100, 32, 1e-3


class Data:
    """A set: inputs and targets to train on and to test on; targets as classes where they are 0 and 1."""

    def __init__(self, folder: Path, name: str) -> None:
        self.X, targets = read(folder / f"{name}.train.gz")
        self.X_test, test = read(folder / f"{name}.test.gz")
        self.classes = set(np.unique(targets)) <= {0.0, 1.0}
        self.y, self.y_test = (self.labels(t) if self.classes else t for t in (targets, test))

    @staticmethod
    def labels(targets: np.ndarray) -> np.ndarray:
        """The class of each row: of several columns the largest, of one whether it is 1."""
        return targets.argmax(axis=1) if targets.shape[1] > 1 else targets[:, 0].astype(int)

    def error(self, predicted: np.ndarray) -> float:
        """Percentage of wrong classes, or mean square."""
        if self.classes:
            return 100 * float(np.mean(predicted != self.y_test))
        return float(np.mean((predicted.reshape(self.y_test.shape) - self.y_test) ** 2))


def read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """FANN's format: patterns, inputs, outputs; then for each pattern its inputs and its outputs."""
    with gzip.open(path, "rt") as file:
        rows, inputs, outputs, *numbers = file.read().split()
    table = np.array(numbers, np.float32).reshape(int(rows), int(inputs) + int(outputs))
    return table[:, : int(inputs)], table[:, int(inputs) :]


def ours(data: Data, seed: int) -> float:
    """Train our network; its test error."""
    outputs = data.y.max() + 1 if data.classes else data.y.shape[1]
    net = dr.Sequential(dr.Dense(HIDDEN, "relu"), dr.Dense(int(outputs)))
    settings: dict[str, Any] = {"epochs": EPOCHS, "batch_size": BATCH, "seed": seed}
    loss = "cross_entropy" if data.classes else "mse"
    dr.fit(net, data.X, data.y, loss=loss, optimizer=dr.Adam(RATE), progress=False, **settings)
    found = net(data.X_test)
    return data.error(found.argmax(axis=1) if data.classes else found)


def theirs(data: Data, seed: int) -> float:
    """Train scikit-learn's; its test error."""
    kind = MLPClassifier if data.classes else MLPRegressor
    settings = {"hidden_layer_sizes": HIDDEN, "max_iter": EPOCHS, "n_iter_no_change": EPOCHS}
    settings |= {"alpha": 0.0, "batch_size": BATCH, "learning_rate_init": RATE}
    net = kind(random_state=seed, **settings)
    y = data.y if data.classes or data.y.shape[1] > 1 else data.y[:, 0]
    with warnings.catch_warnings():  # it warns that the epochs asked for were run
        warnings.simplefilter("ignore", ConvergenceWarning)
        net.fit(data.X, y)
    return data.error(net.predict(data.X_test))


def row(data: Data, seeds: int) -> dict[str, Any]:
    """Errors of each seed."""
    peers = {"deltarule": ours, "scikit-learn": theirs}
    errors = {name: [train(data, seed) for seed in range(seeds)] for name, train in peers.items()}
    return {"measure": "% wrong" if data.classes else "mean square", "errors": errors}


def table_of(rows: dict[str, dict[str, Any]]) -> Table:
    """Mean errors of both."""
    table = Table("set", "measure", "deltarule", "scikit-learn", box=None)
    for name, row in rows.items():
        means = (f"{np.mean(errors):.4g}" for errors in row["errors"].values())
        table.add_row(name, row["measure"], *means)
    return table


def main() -> None:
    """All sets, or those that the command names."""
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULTS / "small_sets.json")
    given = parser.parse_args()
    if "DELTARULE_DATA" not in os.environ:
        raise SystemExit("set DELTARULE_DATA to the folder that holds proben1_fann/")
    folder = Path(os.environ["DELTARULE_DATA"], "proben1_fann")
    known = sorted(path.name.removesuffix(".train.gz") for path in folder.glob("*.train.gz"))
    rows = {}
    for name in given.names or known:
        rows[name] = row(Data(folder, name), given.seeds)
        print(name, rows[name]["errors"], flush=True)
        keep_rows(given.out, {name: rows[name]}, "scikit-learn")
    console().print(table_of(rows))


if __name__ == "__main__":
    main()
