"""House prices: root mean square error in dollars and time to train beside scikit-learn's MLPRegressor.

In: the 20,640 rows of California housing, prepared once for both. Out: the error on a fifth of the rows, held
out, and the seconds of training, for several seeds, by turns.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.csv
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPRegressor

import deltarule as dr

from scores import report

DATA = Path(__file__).parents[1] / "examples" / "data"
TARGET = "median_house_value"
EPOCHS, BATCH, HIDDEN, RATE = 20, 64, (64, 64), 1e-3


def table() -> tuple[np.ndarray, np.ndarray]:
    """Numbers with missing ones as NaN, then a column for each category; and the prices."""
    (path,) = DATA.glob("california_housing*")
    rows = pyarrow.csv.read_csv(path)
    columns = []
    for name in rows.column_names:
        column = rows[name]
        if name == TARGET:
            continue
        if pyarrow.types.is_string(column.type):
            columns += [
                pc.equal(column, value).to_numpy() for value in sorted(column.unique().to_pylist())
            ]
        else:
            columns.append(column.to_numpy())
    return np.stack(columns, axis=1).astype(np.float64), rows[TARGET].to_numpy().astype(np.float64)


def prepare() -> tuple[list[Any], float, float]:
    """Fill gaps and scale by the training rows alone; the mean and spread of their prices."""
    inputs, prices = table()
    X, Xtest, y, ytest = train_test_split(inputs, prices, test_size=0.2, random_state=0)
    middle = np.nanmedian(X, axis=0)
    X, Xtest = (np.where(np.isnan(part), middle, part) for part in (X, Xtest))
    mean, spread = X.mean(axis=0), X.std(axis=0)
    X, Xtest = (((part - mean) / spread).astype(np.float32) for part in (X, Xtest))
    centre, scale = float(y.mean()), float(y.std())
    return [X, Xtest, ((y - centre) / scale).astype(np.float32), ytest], centre, scale


def rmse(predicted: np.ndarray, actual: np.ndarray) -> float:
    """Root mean square error."""
    return float(np.sqrt(np.mean((predicted - actual) ** 2)))


def main() -> None:
    """Five seeds, by turns."""
    data, centre, scale = prepare()
    X, _, _, ytest = data

    def ours(data: list[Any], seed: int) -> float:
        X, Xtest, y, ytest = data
        net = dr.Sequential(*(dr.Dense(width, "relu") for width in HIDDEN), dr.Dense(1))
        optimizer = dr.Adam(RATE)
        settings: dict[str, Any] = {"epochs": EPOCHS, "batch_size": BATCH, "validation": None}
        dr.fit(
            net,
            X,
            y[:, None],
            loss="mse",
            optimizer=optimizer,
            seed=seed,
            progress=False,
            **settings,
        )
        return rmse(net(Xtest)[:, 0] * scale + centre, ytest)

    def theirs(data: list[Any], seed: int) -> float:
        X, Xtest, y, ytest = data
        net = MLPRegressor(
            hidden_layer_sizes=HIDDEN,
            alpha=0.0,
            batch_size=BATCH,
            learning_rate_init=RATE,
            max_iter=EPOCHS,
            n_iter_no_change=EPOCHS,
            random_state=seed,
        )
        with warnings.catch_warnings():  # it warns that the epochs asked for were run
            warnings.simplefilter("ignore", ConvergenceWarning)
            net.fit(X, y)
        return rmse(net.predict(Xtest) * scale + centre, ytest)

    baseline = rmse(np.full_like(ytest, centre), ytest)
    settings = {
        "epochs": EPOCHS,
        "batch": BATCH,
        "hidden": list(HIDDEN),
        "rate": RATE,
        "rows": len(X),
    }
    report("houses", "rmse_dollars", data, ours, theirs, baseline, settings)


if __name__ == "__main__":
    main()
