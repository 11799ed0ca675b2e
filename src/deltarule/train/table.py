"""A table and the name of its target to a trained network, and such a network back to a table's values.

In: whatever `read_table` reads. Out: a `TrainedTable`, `Predictions` or `Evaluation`. Python users, the
command line and the demo call the same three functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from deltarule.data import (
    METRICS,
    Baseline,
    Preprocessor,
    check_values,
    only_with_target,
    read_table,
    split,
    task_of,
)
from deltarule.data.table import place_of
from deltarule.errors import DataError, TableError
from deltarule.nn import Dense, Sequential
from deltarule.optim import Adam
from deltarule.train.loop import fit
from deltarule.train.stopping import EarlyStopping

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from deltarule.nn import Module
    from deltarule.train.run import Run

LOSSES = {"regression": "mse", "classification": "cross_entropy"}
INITIALIZER = "glorot_uniform"  # ends lower on tables than he_normal, see docs/decisions.md
PATIENCE = 10  # epochs without a better validation loss after which training stops


@dataclass(frozen=True)
class TrainedTable:
    """A network trained on a table, and what it is worth on rows that it has not seen."""

    model: Module
    preprocessor: Preprocessor
    run: Run
    rows: tuple[int, int, int]  # to train, to validate, to test
    score: float | None  # on the test rows: RMSE in the target's unit, or accuracy
    baseline: Baseline | None  # the score of the training rows' best constant on the same rows
    notes: tuple[str, ...]  # sentences about the table, for the user

    @property
    def metric(self) -> str:
        """Either "RMSE", in the target's unit, or "accuracy"."""
        return METRICS[self.preprocessor.task]


@dataclass(frozen=True)
class Predictions:
    """A network's answers for the rows of a table."""

    target: str
    values: NDArray[Any]  # (rows,), in the target's unit, or class names
    probabilities: (
        NDArray[np.float64] | None
    )  # (rows,), of the predicted class; None for regression
    table: pa.Table  # the rows they were made from
    notes: tuple[str, ...]

    def to_table(self) -> pa.Table:
        """Return the table with further columns, ``predicted_TARGET`` and, for classes, ``probability``."""
        further = {f"predicted_{self.target}": self.values}
        if self.probabilities is not None:
            further["probability"] = self.probabilities
        table = self.table
        for name, values in further.items():
            if name in table.column_names:
                raise TableError(
                    f"{place_of(table)} already has a column {name!r}. Rename or drop it first."
                )
            table = table.append_column(name, [values])
        return table


@dataclass(frozen=True)
class Evaluation:
    """What a network is worth on the rows of a table."""

    target: str
    metric: str  # "RMSE" in the target's unit, or "accuracy"
    score: float
    baseline: Baseline
    rows: int
    notes: tuple[str, ...]


def train_table(
    source: Any,
    target: str,
    *,
    hidden: Sequence[int] = (128, 64),
    epochs: int = 100,
    batch_size: int = 64,
    learning_rate: float = 1e-3,
    validation: float = 0.15,
    test: float = 0.15,
    task: str = "auto",
    seed: int = 0,
    header: bool = True,
    categories: Sequence[str] = (),
    ignore: Sequence[str] = (),
    progress: Any = None,
) -> TrainedTable:
    """Train a network on a table.

    The rows are dealt into three parts, classes in equal shares. Scaling, medians and categories are
    learned from the training part; training stops when the loss on the validation part has not fallen
    for 10 epochs, and keeps the weights of the best one; the test part is only scored.

    Parameters
    ----------
    source : path, frame or pyarrow.Table
        See `read_table`, also for `header` and `categories`.
    target : str
        The column to predict. Rows where it is missing are left out.
    hidden : sequence of int
        Units of each hidden layer (relu); none makes a linear model.
    epochs, batch_size, learning_rate : int, int, float
        At most so many passes over the training rows; rows a step; the rate of Adam.
    validation, test : float
        The share of the rows in these parts. Without validation every epoch is run; without test
        nothing is scored.
    task : {"auto", "regression", "classification"}
        See `task_of`.
    seed : int
        Parts, initial weights and the order of batches are functions of it.
    ignore : sequence of str
        Columns that are to be no inputs.
    progress : optional
        Passed on to `fit`.

    Raises
    ------
    TableError, DataError
        The table cannot be read, has no such column, or too few rows.
    NonFiniteLoss
        Training diverged.
    """
    if not (min(validation, test) >= 0 and validation + test < 1):  # so that NaN is refused, too
        raise DataError(
            f"validation is {validation:g} and test is {test:g} of the rows; "
            "both must be 0 or more and together below 1, so that rows are left to train on."
        )
    ignore = (ignore,) if isinstance(ignore, str) else ignore
    whole = read_table(source, header=header, categories=categories)
    check_values(whole, target, task, ignore)
    table, dropped = only_with_target(whole, target)
    if task == "auto":
        task = task_of(target, table[target])
    labels = table[target].to_numpy() if task == "classification" else None
    parts = split(table.num_rows, (1 - validation - test, validation, test), seed, labels)
    training, validating, testing = (table.take(part) for part in parts)

    prepared = Preprocessor.fit(training, target, task, ignore)
    model = network_for(prepared, hidden)
    run = fit(
        model,
        prepared.inputs(training),
        prepared.targets(training),
        loss=LOSSES[prepared.task],
        optimizer=Adam(learning_rate),
        epochs=epochs,
        batch_size=batch_size,
        validation=(prepared.inputs(validating), prepared.targets(validating))
        if validation
        else None,
        progress=progress,
        seed=seed,
        callbacks=(EarlyStopping(PATIENCE),) if validation else (),
    )
    scored = bool(testing.num_rows)
    model.preprocessor = prepared
    return TrainedTable(
        model=model,
        preprocessor=prepared,
        run=run,
        rows=(training.num_rows, validating.num_rows, testing.num_rows),
        score=prepared.score(model(prepared.inputs(testing)), testing) if scored else None,
        baseline=prepared.baseline(testing) if scored else None,
        notes=(*dropped, *prepared.notes),
    )


def network_for(prepared: Preprocessor, hidden: Sequence[int]) -> Sequential:
    """A network of relu layers for what a preprocessor makes of a table."""
    layers = [Dense(units, "relu", initializer=INITIALIZER) for units in hidden]
    return Sequential(*layers, Dense(prepared.target.width))


def predict_table(model: Module, source: Any, *, header: bool = True) -> Predictions:
    """Predict every row of a table, which needs the input columns but no target."""
    prepared = preprocessor_of(model)
    table = read_table(source, header=header, categories=prepared.categories)
    inputs, notes = prepared.encode(table)
    outputs = model(inputs)
    sure = _softmax(outputs).max(axis=1) if prepared.task == "classification" else None
    return Predictions(prepared.target.name, prepared.decode(outputs), sure, table, notes)


def evaluate_table(model: Module, source: Any, *, header: bool = True) -> Evaluation:
    """Score a network on a table with its target column, beside the training rows' best constant."""
    prepared = preprocessor_of(model)
    names = (*prepared.categories, *prepared.target.categories)
    whole = read_table(source, header=header, categories=names)
    prepared.check(whole)
    table, dropped = only_with_target(whole, prepared.target.name)
    inputs, notes = prepared.encode(table)
    return Evaluation(
        target=prepared.target.name,
        metric=METRICS[prepared.task],
        score=prepared.score(model(inputs), table),
        baseline=prepared.baseline(table),
        rows=table.num_rows,
        notes=(*dropped, *notes),
    )


def preprocessor_of(model: Module) -> Preprocessor:
    """Return how the model prepares a table; a model that was trained on arrays is a DataError."""
    prepared = getattr(model, "preprocessor", None)
    if not isinstance(prepared, Preprocessor):
        raise DataError(
            "This model was trained on arrays and does not say how a table becomes its inputs. "
            "Call it with an array, or train it with train_table or `deltarule train`."
        )
    return prepared


def _softmax(outputs: NDArray[Any]) -> NDArray[np.float64]:
    powers: NDArray[np.float64] = np.exp(
        outputs.astype(np.float64) - outputs.max(axis=1, keepdims=True)
    )
    powers /= powers.sum(axis=1, keepdims=True)
    return powers
