"""Losses on classes, from logits: one logit per class, or one for each question.

In: raw outputs, and class indices, probabilities or signs. Out: one number per row.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from deltarule.derive.tracer import Tracer
from deltarule.errors import DataError, ShapeError
from deltarule.nn.activations import log_softmax, softplus
from deltarule.nn.losses.rows import aligned, as_array, as_float, mean_rows, setting
from deltarule.program import ops
from deltarule.program.ops.reduce import expand

INT = np.dtype(np.int64)
BINARY = "binary_cross_entropy"


def cross_entropy(logits: Any, labels: Any, smoothing: float = 0.0) -> Any:
    """Negative log-likelihood of each row's class under softmax(logits).

    L = ln sum_j e^z_j - z_label; dL/dz = p - onehot(label), p = softmax(z).

    Parameters
    ----------
    logits : float (n, k)
        Raw outputs, one per class; not softmax probabilities.
    labels : int (n,), or (n, k)
        Class indices in [0, k), or probabilities that sum to 1 in each row: L = -sum_j t_j ln p_j,
        dL/dz = p - t.
    smoothing : float
        s in [0, 1]: the targets are (1 - s) t + s / k (Szegedy and others 2016).

    Raises
    ------
    DataError, IndexError
        Where a label is no index of a class; IndexError in compiled code.

    Examples
    --------
    >>> from deltarule.nn.losses.classes import cross_entropy
    >>> cross_entropy(np.array([[2.0, 1.0, 0.1]]), np.array([0])).round(6)
    array([0.41703])
    """
    share = setting("cross_entropy: smoothing", smoothing, 0, 1)
    logp, t = _by_class(logits, labels, "cross_entropy")
    rows = -_chosen(logp, t)
    if not share:
        return rows
    return (1 - share) * rows - share * ops.mean(logp, axes=(len(logp.shape) - 1,))


def focal(logits: Any, labels: Any, focus: float = 2.0) -> Any:
    """Cross-entropy that counts rows less, the surer the network is of their class (Lin 2017).

    With p = softmax(z) and c the label: L = -(1 - p_c)^f ln p_c;
    dL/dz_j = ([j = c] - p_j) (f p_c (1 - p_c)^(f - 1) ln p_c - (1 - p_c)^f). Given probabilities t,
    the sum over c of t_c times that of c.

    Parameters
    ----------
    logits : float (n, k)
        Raw outputs, one per class.
    labels : int (n,), or (n, k)
        Class indices in [0, k), or probabilities that sum to 1 in each row.
    focus : float
        f, 0 or more; 0 is cross-entropy.
    """
    f = setting("focal: focus", focus, 0, math.inf, "[)")
    logp, t = _by_class(logits, labels, "focal")
    return -_chosen(np.power(-np.expm1(logp), f) * logp, t)


def kl(logits: Any, targets: Any) -> Any:
    """Kullback-Leibler divergence of softmax(logits) from the targets, for each row.

    With p = softmax(z): L = sum_j t_j (ln t_j - ln p_j), 0 ln 0 = 0; dL/dz = p - t. A sum over
    classes: cross-entropy less the entropy of the targets, 0 where p = t.

    Parameters
    ----------
    logits : float (n, k)
        Raw outputs, one per class.
    targets : float (n, k)
        Probabilities that sum to 1 in each row.
    """
    z, t = aligned(logits, targets, "kl")
    logp = _log_probabilities(z, "kl")
    own = t * np.log(np.where(t > 0, t, 1))
    return ops.sum(own - t * logp, axes=(len(z.shape) - 1,))


def _log_probabilities(z: Any, name: str) -> Any:
    if len(z.shape) < 2 or z.shape[-1] < 2:
        raise ShapeError(
            f"{name}: outputs have shape {z.shape}; it takes (rows, classes) with 2 classes or "
            f"more. For one output use {'binary_focal' if name == 'focal' else BINARY}"
        )
    return log_softmax(z)


def _by_class(logits: Any, labels: Any, name: str) -> tuple[Any, Any]:
    """Logarithms of probabilities, and labels of shape (n,) or probabilities of shape (n, k)."""
    logp, t = _log_probabilities(as_float(logits), name), as_array(labels)
    if t.shape == logp.shape:
        return logp, ops.cast(t, dtype=logp.dtype)
    return logp, _labels(t, logp, name, "probabilities")


def _labels(t: Any, outputs: Any, name: str, others: str) -> Any:
    """Class indices, one for each row of outputs."""
    if t.shape == (*outputs.shape[:-1], 1):
        t = ops.reshape(t, shape=t.shape[:-1])
    if t.dtype.kind not in "biu" or t.shape != outputs.shape[:-1]:
        raise ShapeError(
            f"{name}: labels are integers of shape {outputs.shape[:-1]}, or {others} of shape "
            f"{outputs.shape}; given are {t.dtype} of shape {t.shape}{_units(t, outputs)}"
        )
    return t


def _units(t: Any, outputs: Any) -> str:
    """What to do where there is a column for each class, but not as many outputs."""
    if t.shape[:-1] != outputs.shape[:-1] or len(t.shape) < 2:
        return ""
    return f". Are these {t.shape[-1]} classes? Give the last layer {t.shape[-1]} units"


def _chosen(values: Any, t: Any) -> Any:
    """The value of each row's class, or the sum of all by their probabilities."""
    if t.shape == values.shape:
        return ops.sum(t * values, axes=(len(values.shape) - 1,))
    rows, classes = int(np.prod(values.shape[:-1])), values.shape[-1]
    places = _places(ops.reshape(t, shape=(rows,)), classes)
    chosen = ops.gather(ops.reshape(values, shape=(rows * classes,)), places)
    return ops.reshape(chosen, shape=values.shape[:-1])


def _places(labels: Any, classes: int) -> Any:
    """Where each row's label stands among all logits, laid out in one axis."""
    (n,) = labels.shape
    index = ops.cast(labels, dtype=INT)
    start = np.arange(n) * classes
    known = _number(index)
    if known is not None:
        check_labels(known, classes, "the label of row ")
        return start + index
    inside = ops.and_(ops.ge(index, INT.type(0)), ops.lt(index, INT.type(classes)))
    return ops.select(
        inside, start + index, np.full(n, n * classes)
    )  # the end raises, when it runs


def _number(x: Any) -> Any:
    """The plain array behind traced values of any level, None where it is not known yet."""
    while isinstance(x, Tracer):
        if not x.known:
            return None
        x = x.value
    return x


def check_labels(labels: Any, classes: int, name: str) -> None:
    """Raise where a class index is outside [0, classes), naming its place."""
    wrong = np.argwhere((labels < 0) | (labels >= classes))
    if len(wrong):
        place = [int(i) for i in wrong[0]]
        label = labels[tuple(place)]
        cure = "Give the last layer more units, or number the classes from 0"
        if label < 0:
            cure = "Number the classes from 0: np.unique(y, return_inverse=True)[1]"
        raise DataError(
            f"{name}{place} is class {label}; the network has {classes} outputs, for classes 0 to "
            f"{classes - 1}. {cure}"
        )


# --- one logit for each question ---


def binary_cross_entropy(logits: Any, targets: Any, smoothing: float = 0.0) -> Any:
    """Logistic loss of each row, from logits.

    L = 1/k sum_j max(z_j, 0) - z_j t_j + ln(1 + e^-|z_j|); dL/dz_j = (sigma(z_j) - t_j) / k. A mean
    over outputs.

    Parameters
    ----------
    logits : float (n, k) or (n,)
        Raw outputs.
    targets : (n, k) or (n,)
        0, 1, or probabilities.
    smoothing : float
        s in [0, 1]: the targets are (1 - s) t + s / 2.

    Examples
    --------
    >>> from deltarule.nn.losses.classes import binary_cross_entropy
    >>> binary_cross_entropy(np.array([0.8]), np.array([1.0])).round(6)
    array([0.371101])
    """
    share = setting("binary_cross_entropy: smoothing", smoothing, 0, 1)
    z, t = aligned(logits, targets, "binary_cross_entropy")
    if share:
        t = (1 - share) * t + share / 2
    zero = z.dtype.type(0)
    larger = ops.ge(z, zero)  # a choice, not max and |z|: both have derivative 0 at a logit of 0
    high, low = ops.select(larger, z, zero), ops.select(larger, zero, z)
    return mean_rows(high - z * t + ops.log1p(ops.exp(low - high)))


def binary_focal(logits: Any, targets: Any, focus: float = 2.0) -> Any:
    """Logistic loss that counts answers less, the surer the network is of them (Lin 2017).

    With g(z) = sigma(-z)^f ln(1 + e^-z): L = 1/k sum_j t_j g(z_j) + (1 - t_j) g(-z_j);
    g'(z) = -sigma(-z)^f (f sigma(z) ln(1 + e^-z) + sigma(-z)). A mean over outputs.

    Parameters
    ----------
    logits : float (n, k) or (n,)
        Raw outputs.
    targets : (n, k) or (n,)
        0, 1, or probabilities.
    focus : float
        f, 0 or more; 0 is binary_cross_entropy.
    """
    f = setting("binary_focal: focus", focus, 0, math.inf, "[)")
    z, t = aligned(logits, targets, "binary_focal")
    yes = np.power(ops.sigmoid(-z), f) * softplus(-z)
    no = np.power(ops.sigmoid(z), f) * softplus(z)
    return mean_rows(t * yes + (1 - t) * no)


def hinge(outputs: Any, targets: Any) -> Any:
    """Hinge loss of each row, as of support vector machines.

    Given signs t_j = -1 or 1 of each output: L = 1/k sum_j max(0, 1 - t_j y_j); dL/dy_j = -t_j / k
    where t_j y_j < 1, else 0. A mean over outputs; the sign of an output is its class.

    Given the class c of each row: L = max(0, 1 + y_m - y_c), m the class of the largest output
    beside c; dL/dy_m = 1 and dL/dy_c = -1 where y_c < y_m + 1, else 0 (Crammer and Singer 2001).
    The largest output is the class.

    Parameters
    ----------
    outputs : float (n, k) or (n,)
        Raw outputs.
    targets : (n, k) or (n,), or int (n,)
        -1 or 1 for each output; or class indices in [0, k), for k of 2 or more.

    Examples
    --------
    >>> from deltarule.nn.losses.classes import hinge
    >>> hinge(np.array([[2.0, 0.5, 1.5]]), np.array([0]))
    array([0.5])
    >>> hinge(np.array([[2.0, 0.5, 1.5]]), np.array([[1, -1, -1]])).round(6)
    array([1.333333])
    """
    y, t = as_float(outputs), as_array(targets)
    several = len(y.shape) > 1 and y.shape[-1] > 1
    if not several or t.shape == y.shape or t.dtype.kind == "f":
        y, t = aligned(y, t, "hinge")
        return mean_rows(ops.relu(1 - t * y))
    t = _labels(t, y, "hinge", "signs")
    own = _chosen(y, t)
    last = (len(y.shape) - 1,)
    numbers = np.arange(y.shape[-1], dtype=INT)
    of_class = ops.eq(expand(ops.cast(t, dtype=INT), y.shape, last), numbers)
    others = np.where(of_class, expand(own - 1, y.shape, last), y)  # where it is c, L is 0
    return ops.relu(1 + ops.max(others, axes=last) - own)
