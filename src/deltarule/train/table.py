"""A table and the name of its target to a trained network, and such a network back to a table's values.

In: whatever `read_table` reads. Out: a `TrainedTable`, `Predictions` or `Evaluation`. Python users, the
command line and the demo call the same three functions.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
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
from deltarule.train.choices import loss_for, loss_text, network_for, rule_for, rule_text
from deltarule.train.loop import fit
from deltarule.train.record import record_of
from deltarule.train.scores import Scores, measures, scores_of
from deltarule.train.stopping import EarlyStopping

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from deltarule.nn import Module
    from deltarule.train.run import Run

PATIENCE = 10  # epochs without a better validation loss after which training stops
VALIDATION, TEST = 0.15, 0.15  # shares of the rows


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
    scores: Scores | None = None  # on the test rows: these and other measures, by name
    before: Scores | None = None  # of the network that was trained further

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
    scores: Scores = field(default_factory=lambda: Scores({}, {}))  # these and others, by name


def train_table(
    source: Any,
    target: str,
    *,
    hidden: Sequence[Any] = (128, 64),
    activation: str = "relu",
    dropout: float = 0.0,
    loss: Any = "auto",
    optimizer: Any = "adam",
    learning_rate: Any = None,
    epochs: int = 100,
    batch_size: int = 64,
    patience: int = PATIENCE,
    class_weight: Any = None,
    validation: float = VALIDATION,
    test: float = TEST,
    metrics: Any = (),
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
    for some epochs, and keeps the weights of the best one; the test part is only scored.

    Parameters
    ----------
    source : path, frame or pyarrow.Table
        See `read_table`, also for `header` and `categories`.
    target : str
        The column to predict. Rows where it is missing are left out.
    hidden : sequence of int, layer, or mapping
        Units of each hidden layer, layers, or both; none makes a linear model. A mapping describes a
        layer: ``{"layer": "Dropout", "rate": 0.2}``.
    activation, dropout : str, float
        Of the hidden layers that are given by their units: f, and the share of units dropped.
    loss : str or callable
        mse, half_squared_error, mae, huber, log_cosh or quantile of the standardized target;
        cross_entropy or focal of classes; "auto" is mse or cross_entropy.
    optimizer, learning_rate : str or rule, float
        As `fit` takes it; the rate, where it is not to be the rule's own.
    epochs, batch_size, patience : int
        At most so many passes over the training rows; rows a step; epochs without a better
        validation loss after which training stops.
    class_weight : "balanced" or dict, optional
        See `fit`; for classes only.
    validation, test : float
        The share of the rows in these parts. Without validation every epoch is run; without test
        nothing is scored.
    metrics : str, callable, or a sequence of these
        Measures of the test rows beside the usual ones, in the target's unit.
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
        The table cannot be read, has no such column, or too few rows; a setting that is not known.
    NonFiniteLoss
        Training diverged.

    Examples
    --------
    >>> rooms = [2.0, 3.0, 4.0, 5.0] * 30
    >>> flats = {"rooms": rooms, "rent": [300.5 * n for n in rooms]}
    >>> trained = train_table(flats, "rent", hidden=[16], learning_rate=0.01, seed=0)
    >>> trained.score < 0.1 * trained.baseline.score
    True
    """
    parts = _Parts(validation, test, seed)
    ignore = (ignore,) if isinstance(ignore, str) else ignore
    whole = read_table(source, header=header, categories=categories)
    check_values(whole, target, task, ignore)
    table, notes = only_with_target(whole, target)
    if task == "auto":
        task = task_of(target, table[target])
    dealt = parts.deal(table, target, task)
    prepared = Preprocessor.fit(dealt[0], target, task, ignore)
    model = network_for(prepared, hidden, activation, dropout)
    model.preprocessor = prepared
    return _trained(
        model,
        dealt,
        parts,
        (*notes, *prepared.notes),
        _name_of(source),
        metrics,
        patience,
        loss=loss_for(prepared.task, loss),
        optimizer=rule_for(optimizer, learning_rate),
        class_weight=_class_weight(prepared.task, class_weight),
        epochs=epochs,
        batch_size=batch_size,
        progress=progress,
    )


def continue_table(
    model: Module,
    source: Any,
    *,
    loss: Any = "auto",
    optimizer: Any = "adam",
    learning_rate: Any = None,
    epochs: int = 100,
    batch_size: int = 64,
    patience: int = PATIENCE,
    class_weight: Any = None,
    validation: float | None = None,
    test: float | None = None,
    metrics: Any = (),
    seed: int | None = None,
    header: bool = True,
    progress: Any = None,
) -> TrainedTable:
    """Train a network of `train_table` further, in place, on its table or on new rows.

    Inputs and target are prepared as they were. The update rule starts anew, without the moments that
    it had. Rows are dealt by the seed and the shares of the first training where none are given, so
    that rows of its test part are not trained on now.

    Parameters
    ----------
    model : Module
        From `train_table`, or from its file.
    source : path, frame or pyarrow.Table
        With the columns of the first table.
    loss, optimizer, learning_rate, epochs, batch_size, patience, class_weight, metrics, header, progress
        As for `train_table`.
    validation, test, seed : optional
        As for `train_table`; by default those of the first training.

    Returns
    -------
    TrainedTable
        `before` holds the scores that the network had on the test rows.

    Raises
    ------
    TableError, DataError
        As for `train_table`; the model was trained on arrays, or cannot be trained.
    """
    prepared = preprocessor_of(model)
    first = (model.trained or {}).get("parts", {})
    given = {"validation": validation, "test": test, "seed": seed}
    usual: dict[str, Any] = {"validation": VALIDATION, "test": TEST, "seed": 0} | first
    used = usual | {name: x for name, x in given.items() if x is not None}
    parts = _Parts(**used)
    table, notes = _with_target(prepared, source, header)
    dealt = parts.deal(table, prepared.target.name, prepared.task)
    notes += prepared.encode(table).notes
    if first and vars(parts) != first and (model.trained or {}).get("table") == _name_of(source):
        notes += (
            "the parts are dealt otherwise than in the first training, so rows that it trained on may "
            "be among the test rows now: give the same seed and shares",
        )
    return _trained(
        model,
        dealt,
        parts,
        notes,
        _name_of(source),
        metrics,
        patience,
        loss=loss_for(prepared.task, loss),
        optimizer=rule_for(optimizer, learning_rate),
        class_weight=_class_weight(prepared.task, class_weight),
        epochs=epochs,
        batch_size=batch_size,
        progress=progress,
    )


@dataclass(frozen=True)
class _Parts:
    """How rows are dealt into training, validation and test."""

    validation: float
    test: float
    seed: int

    def __post_init__(self) -> None:
        shares = self.validation, self.test
        if not (min(shares) >= 0 and sum(shares) < 1):  # so that NaN is refused, too
            raise DataError(
                f"validation is {self.validation:g} and test is {self.test:g} of the rows; "
                "both must be 0 or more and together below 1, so that rows are left to train on."
            )

    def deal(self, table: pa.Table, target: str, task: str) -> list[pa.Table]:
        """The three tables."""
        labels = table[target].to_numpy() if task == "classification" else None
        shares = (1 - self.validation - self.test, self.validation, self.test)
        return [table.take(part) for part in split(table.num_rows, shares, self.seed, labels)]


def _trained(
    model: Module,
    dealt: Sequence[pa.Table],
    parts: _Parts,
    notes: Sequence[str],
    source: str,
    metrics: Any,
    patience: int,
    **settings: Any,
) -> TrainedTable:
    """Train on the first of three tables, stop by the second, score on the third; ``fit`` takes the rest."""
    training, validating, testing = dealt
    prepared = preprocessor_of(model)
    measures(prepared.task, metrics)  # a misspelt one is known before the training

    def scored() -> Scores | None:
        if not testing.num_rows:
            return None
        return scores_of(prepared, model(prepared.inputs(testing)), testing, metrics)

    earlier = model.trained
    before = scored() if earlier else None
    held = (prepared.inputs(validating), prepared.targets(validating))
    run = fit(
        model,
        prepared.inputs(training),
        prepared.targets(training),
        **settings,
        validation=held if parts.validation else None,
        seed=parts.seed,
        callbacks=(EarlyStopping(patience),) if parts.validation else (),
    )
    scores = scored()
    rows = (training.num_rows, validating.num_rows, testing.num_rows)
    model.trained = record_of(
        run,
        earlier,
        table=source,
        target=prepared.target.name,
        parts=dict(vars(parts)),
        rows=dict(zip(("train", "validation", "test"), rows, strict=True)),
        loss=loss_text(settings["loss"]),
        optimizer=rule_text(settings["optimizer"]),
        batch_size=settings["batch_size"],
        scores=None if scores is None else dict(scores.network),
        baseline=None if scores is None else dict(scores.baseline),
    )
    return TrainedTable(
        model=model,
        preprocessor=prepared,
        run=run,
        rows=rows,
        score=None if scores is None else next(iter(scores.network.values())),
        baseline=None if scores is None else prepared.baseline(testing),
        notes=tuple(notes),
        scores=scores,
        before=before,
    )


def _class_weight(task: str, given: Any) -> Any:
    if given is not None and task != "classification":
        raise DataError(f"class_weight is {given!r}, but this is a regression: leave it out")
    return given


def _name_of(source: Any) -> str:
    """What a model's record calls its table."""
    if isinstance(source, str | os.PathLike):
        return os.path.basename(source)
    return str(getattr(source, "name", type(source).__name__))


def predict_table(model: Module, source: Any, *, header: bool = True) -> Predictions:
    """Predict every row of a table, which needs the input columns but no target."""
    prepared = preprocessor_of(model)
    table = read_table(source, header=header, categories=prepared.categories)
    inputs, notes = prepared.encode(table)
    outputs = model(inputs)
    sure = _softmax(outputs).max(axis=1) if prepared.task == "classification" else None
    return Predictions(prepared.target.name, prepared.decode(outputs), sure, table, notes)


def evaluate_table(
    model: Module, source: Any, *, metrics: Any = (), header: bool = True
) -> Evaluation:
    """Score a network on a table with its target column, beside the training rows' best constant.

    Parameters
    ----------
    model : Module
        From `train_table`, or from its file.
    source : path, frame or pyarrow.Table
        With the input columns and the target.
    metrics : str, callable, or a sequence of these
        Measures beside the usual ones, as `fit` takes them, in the target's unit.
    header : bool
        See `read_table`.
    """
    prepared = preprocessor_of(model)
    measures(prepared.task, metrics)
    table, dropped = _with_target(prepared, source, header)
    inputs, notes = prepared.encode(table)
    scores = scores_of(prepared, model(inputs), table, metrics)
    return Evaluation(
        target=prepared.target.name,
        metric=METRICS[prepared.task],
        score=next(iter(scores.network.values())),
        baseline=prepared.baseline(table),
        rows=table.num_rows,
        notes=(*dropped, *notes),
        scores=scores,
    )


def _with_target(
    prepared: Preprocessor, source: Any, header: bool
) -> tuple[pa.Table, tuple[str, ...]]:
    """The rows of a later table that have a target, read as the training table was."""
    names = (*prepared.categories, *prepared.target.categories)
    whole = read_table(source, header=header, categories=names)
    prepared.check(whole)
    return only_with_target(whole, prepared.target.name)


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
