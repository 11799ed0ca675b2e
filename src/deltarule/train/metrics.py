"""Measures of a trained network, on raw outputs and targets.

In: outputs and targets as arrays, and the loss, which says what the outputs mean: numbers,
logarithms of means, logits. Out: one number. For reading, not for training: plain NumPy and
scikit-learn.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from deltarule.errors import DataError
from deltarule.nn import Loss
from deltarule.nn.named import nearest
from deltarule.train.answers import (
    LOG_MEAN,
    LOGITS,
    LOGITS_BINARY,
    Answers,
    Array,
    answers,
    numbers_of,
)

Metric = Callable[[Any, Any], float]
TOP = 5


# --- of classes ---


def accuracy(outputs: Any, targets: Any, loss: Loss) -> float:
    """Share of rows whose class is right.

    Of several outputs the largest is the class. A single output is a logit under
    binary_cross_entropy, with class 1 above 0; under other losses it is compared with the middle of
    the targets' two values, 0 and 1 or -1 and 1.
    """
    found = answers(outputs, targets, loss, "accuracy")
    return float(np.mean(found.chosen == found.true))


def top_k(outputs: Any, targets: Any, loss: Loss, k: int = TOP) -> float:
    """Share of rows whose class is among those of the k largest outputs.

    By name for any k: top_2, top_3, ...; top_k is top_5.
    """
    found = answers(outputs, targets, loss, "top_k")
    if found.scores.ndim < 2 or found.several or not 0 < k < found.scores.shape[-1]:
        raise DataError(
            f"top_{k} needs one output per class and more than {k} classes; outputs have shape "
            f"{outputs.shape}. Ask for fewer, as in 'top_2', or for 'accuracy'"
        )
    own = np.take_along_axis(found.scores, found.true[:, None], 1)
    place = (found.scores > own).sum(1)
    ties = found.scores == own  # equal outputs rank by class, as argmax has it
    place += (ties & (np.arange(found.scores.shape[1]) < found.true[:, None])).sum(1)
    return float(np.mean(place < k))


def precision(outputs: Any, targets: Any, loss: Loss) -> float:
    """Share of rows said to be of a class that are; mean over the classes (macro).

    A class that is never said counts 0.
    """
    right, said, _ = _counts(answers(outputs, targets, loss, "precision"))
    return float(np.mean(right / np.maximum(said, 1)))


def recall(outputs: Any, targets: Any, loss: Loss) -> float:
    """Share of a class's rows that are found; mean over the classes (macro)."""
    right, _, there = _counts(answers(outputs, targets, loss, "recall"))
    return float(np.mean(right / np.maximum(there, 1)))


def f1(outputs: Any, targets: Any, loss: Loss) -> float:
    """Harmonic mean of a class's precision and recall; mean over the classes (macro)."""
    right, said, there = _counts(answers(outputs, targets, loss, "f1"))
    return float(np.mean(2 * right / np.maximum(said + there, 1)))


def _counts(found: Answers) -> tuple[Array, Array, Array]:
    """Rows of each class that are found, said to be of it, and of it.

    The classes are those that are said or there; of several questions, each answer 1 is a class.
    """
    if found.several:
        right = found.chosen * found.true
        return right.sum(0), found.chosen.sum(0), found.true.sum(0)
    classes = 1 + max(found.chosen.max(), found.true.max())
    each = found.true[found.chosen == found.true], found.chosen, found.true
    right, said, there = (np.bincount(rows, minlength=classes) for rows in each)
    any_row = said + there > 0
    return right[any_row], said[any_row], there[any_row]


def roc_auc(outputs: Any, targets: Any, loss: Loss) -> float:
    """Area under the ROC curve: how often a row of a class outranks one of another.

    More than two classes: each against all others, mean over the classes (macro). NaN where a class
    has no rows, or all, and where outputs are not finite.
    """
    from sklearn.metrics import roc_auc_score

    found = answers(outputs, targets, loss, "roc_auc")
    scores = found.scores
    if scores.ndim == 1:
        columns = [(found.true == 1, scores)]
    elif found.several:
        columns = [(found.true[:, j] == 1, scores[:, j]) for j in range(scores.shape[1])]
    elif scores.shape[1] == 2:
        columns = [(found.true == 1, scores[:, 1] - scores[:, 0])]
    else:
        shown = found.probabilities if loss.named and loss.name in LOGITS else scores
        columns = [(found.true == j, shown[:, j]) for j in range(scores.shape[1])]
    if any(true.all() or not true.any() or not np.isfinite(s).all() for true, s in columns):
        return float("nan")
    return float(np.mean([roc_auc_score(true, score) for true, score in columns]))


def log_loss(outputs: Any, targets: Any, loss: Loss) -> float:
    """Mean of -ln p of each row's class, p from the logits.

    Without the loss's smoothing, focus or weights.
    """
    found = answers(outputs, targets, loss, "log_loss")
    return float(-np.mean(found.log_probability()))


def brier(outputs: Any, targets: Any, loss: Loss) -> float:
    """Mean squared error of probabilities (Brier 1950).

    One output: mean (p - t)^2, between 0 and 1. One output per class: the mean over rows of
    sum_j (p_j - [j = class])^2, between 0 and 2.
    """
    found = answers(outputs, targets, loss, "brier")
    p = found.probabilities
    if found.scores.ndim == 1 or found.several:
        return float(np.mean((p - found.true) ** 2))
    return float(np.mean(np.sum((p - np.eye(p.shape[1])[found.true]) ** 2, axis=1)))


# --- of numbers ---


def mae(outputs: Any, targets: Any, loss: Loss) -> float:
    """Mean absolute error, in the unit of the target: mean |y - t|."""
    y, t = numbers_of(outputs, targets, loss, "mae")
    return float(np.mean(np.abs(y - t)))


def rmse(outputs: Any, targets: Any, loss: Loss) -> float:
    """Root of the mean squared error, in the unit of the target: sqrt(mean (y - t)^2)."""
    y, t = numbers_of(outputs, targets, loss, "rmse")
    return float(np.sqrt(np.mean((y - t) ** 2)))


def r2(outputs: Any, targets: Any, loss: Loss) -> float:
    """Share of the target's variance that is explained: 1 - sum (y - t)^2 / sum (t - mean t)^2.

    Of several outputs the mean, each with a mean t of its own. NaN where all targets of an output
    are equal.
    """

    def one(y: Any, t: Any) -> float:
        return float(1 - np.sum((y - t) ** 2) / np.sum((t - t.mean()) ** 2))

    return _by_output(one, *numbers_of(outputs, targets, loss, "r2"))


def _by_output(score: Metric, y: Any, t: Any) -> float:
    """The mean of a score over outputs; NaN where the targets of an output are equal."""
    columns = zip(y.reshape(len(y), -1).T, t.reshape(len(t), -1).T, strict=True)
    nan = float("nan")
    return float(np.mean([nan if (t == t[0]).all() else score(y, t) for y, t in columns]))


def mape(outputs: Any, targets: Any, loss: Loss) -> float:
    """Mean absolute error relative to the target: mean |y - t| / |t|; 0.1 is ten per cent."""
    y, t = numbers_of(outputs, targets, loss, "mape")
    none = np.argwhere(t == 0)
    if len(none):
        raise DataError(
            f"mape divides by the target, and target {[int(i) for i in none[0]]} is 0 "
            f"({len(none)} of {t.size} are): mae and rmse take any target"
        )
    return float(np.mean(np.abs((y - t) / t)))


def explained_deviance(outputs: Any, targets: Any, loss: Loss) -> float:
    """1 - D(y, t) / D(mean t, t), D the deviance that belongs to the loss.

    Of poisson, gamma and tweedie theirs; of losses on classes -2 ln p; of others the squared error,
    so that it is r2. Of several outputs, or questions, the mean. NaN where the targets of one have
    no deviance from their mean.
    """
    name = loss.name if loss.named else ""
    if name in LOGITS or name in LOGITS_BINARY:
        found = answers(outputs, targets, loss, "explained_deviance")
        spread, explained = found.entropy(), np.atleast_1d(found.log_probability().mean(0))
        return float(np.mean(1 + explained / spread)) if spread.all() else float("nan")
    if name not in LOG_MEAN:
        return r2(outputs, targets, loss)
    from sklearn.metrics import d2_tweedie_score

    power = {"poisson": 1.0, "gamma": 2.0}.get(name) or loss.settings.get("power", 1.5)

    def one(y: Any, t: Any) -> float:
        return float(d2_tweedie_score(t, y, power=power))

    return _by_output(one, *numbers_of(outputs, targets, loss, "explained_deviance"))


METRICS: dict[str, Callable[..., float]] = {
    f.__name__: f
    for f in (
        *(accuracy, top_k, precision, recall, f1, roc_auc, log_loss, brier),
        *(mae, rmse, r2, mape, explained_deviance),
    )
}


def metrics_of(given: Any, loss: Loss) -> dict[str, Metric]:
    """Metrics by name; functions go by their own name, or by the one that a dict gives them."""
    if isinstance(given, Mapping):
        return {str(name): _metric(item, loss) for name, item in given.items()}
    if not (given is None or isinstance(given, (str, list, tuple)) or callable(given)):
        raise DataError(
            f"metrics are names, functions, or a sequence or dict of these, not {given!r}"
        )
    out: dict[str, Metric] = {}
    for item in (given,) if isinstance(given, str) or callable(given) else given or ():
        name = getattr(item, "__name__", type(item).__name__) if callable(item) else item
        if name in out:
            raise DataError(f"two metrics are called {name!r}")
        out[name] = _metric(item, loss)
    return out


def _metric(name: Any, loss: Loss) -> Metric:
    """The metric of a name; a function as it is."""
    if callable(name):
        return name  # type: ignore[no-any-return]
    top = re.fullmatch(r"top_([1-9]\d*)", name) if isinstance(name, str) else None
    if top:
        return partial(top_k, loss=loss, k=int(top[1]))
    if not isinstance(name, str) or name not in METRICS:
        raise DataError(
            f"no metric is called {name!r}; known: {', '.join(METRICS)}, or a function of "
            f"(outputs, targets){nearest(name, METRICS)}"
        )
    return partial(METRICS[name], loss=loss)
