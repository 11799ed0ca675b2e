"""What a prediction is worth: its score, and the score of not learning at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from deltarule.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

METRICS = {"regression": "RMSE", "classification": "accuracy"}


@dataclass(frozen=True)
class Baseline:
    """The score, on test rows, of always answering the training rows' mean or most frequent class."""

    answer: float  # the mean in the target's unit, or the index of the most frequent class
    metric: str  # "RMSE" in the target's unit (lower is better), or "accuracy" (higher is better)
    score: float


def baseline(task: str, y_train: ArrayLike, y_test: ArrayLike) -> Baseline:
    """Score the constant answer that is best for the training rows.

    Parameters
    ----------
    task : {"regression", "classification"}
        What is predicted.
    y_train, y_test : array_like, (rows,)
        Targets in their own unit, or class indices: what `Preprocessor.truth` gives.

    Examples
    --------
    >>> baseline("regression", [1.0, 2.0, 3.0], [2.0, 4.0])
    Baseline(answer=2.0, metric='RMSE', score=1.4142135623730951)
    >>> baseline("classification", [0, 1, 1], [1, 1, 0, 1])
    Baseline(answer=1, metric='accuracy', score=0.75)
    """
    train, test = np.asarray(y_train), np.asarray(y_test)
    if not len(train) or not len(test):
        raise DataError(
            f"A baseline needs rows: {len(train)} to train and {len(test)} to test are given."
        )
    answer = float(train.mean()) if task == "regression" else int(np.bincount(train).argmax())
    return constant_baseline(task, answer, test)


def constant_baseline(task: str, answer: float, y_test: ArrayLike) -> Baseline:
    """Score one answer for all test rows."""
    test = np.asarray(y_test)
    return Baseline(answer, METRICS[task], score(task, np.full(len(test), answer), test))


def score(task: str, predicted: ArrayLike, actual: ArrayLike) -> float:
    r"""Return the root mean squared error of a regression, or the accuracy of a classification.

    .. math:: \mathrm{RMSE} = \sqrt{\tfrac{1}{n} \sum_i (\hat y_i - y_i)^2}

    >>> score("regression", [1.0, 3.0], [1.0, 1.0]), score("classification", [0, 1], [0, 0])
    (1.4142135623730951, 0.5)
    """
    predicted, actual = np.asarray(predicted), np.asarray(actual)
    if predicted.shape != actual.shape:
        raise DataError(
            f"{predicted.shape} predictions cannot be scored against {actual.shape} targets."
        )
    if task == "regression":
        return float(np.sqrt(np.mean((predicted - actual) ** 2)))
    return float(np.mean(predicted == actual))
