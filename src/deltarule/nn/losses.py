"""Losses: how far outputs are from targets. Each says whether it is a mean, a sum, or half of one.

In: raw outputs of a network and targets. Out: one number per row, and their mean over the rows as
the loss of a batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.derive.tracer import Tracer
from deltarule.errors import DataError, ShapeError
from deltarule.program import ops
from deltarule.program.ops.reduce import expand

PerRow = Callable[[Any, Any], Any]
INT = np.dtype(np.int64)


def as_array(x: Any) -> Any:
    """A traced value as it is, anything else as an array."""
    return x if isinstance(x, Tracer) else np.asarray(x)


def as_float(x: Any) -> Any:
    """Integers and bools as float64."""
    x = as_array(x)
    return x if x.dtype.kind == "f" else ops.cast(x, dtype=np.dtype(float))


def _rows(x: Any) -> Any:
    """Mean over all axes but the first."""
    return ops.mean(x, axes=tuple(range(1, len(x.shape)))) if len(x.shape) > 1 else x


def _row_sums(x: Any) -> Any:
    return ops.sum(x, axes=tuple(range(1, len(x.shape)))) if len(x.shape) > 1 else x


def aligned(outputs: Any, targets: Any, name: str) -> tuple[Any, Any]:
    """Outputs and targets in one shape and dtype.

    Targets of shape (n,) fit outputs of shape (n, 1), and the other way round; nothing is
    broadcast.
    """
    y, t = as_float(outputs), as_array(targets)
    if t.shape != y.shape:
        if (*t.shape, 1) != y.shape and t.shape != (*y.shape, 1):
            raise ShapeError(
                f"{name}: outputs have shape {y.shape}, targets {t.shape}; one target is needed for "
                "each output: reshape the targets, or give the last layer as many units. Class "
                "indices need cross_entropy"
            )
        t = ops.reshape(t, shape=y.shape)
    return y, t if t.dtype == y.dtype else ops.cast(t, dtype=y.dtype)


def mse(outputs: Any, targets: Any) -> Any:
    """Mean squared error of each row.

    L = 1/k sum_j (y_j - t_j)^2; dL/dy_j = 2 (y_j - t_j) / k. A mean over outputs.
    """
    y, t = aligned(outputs, targets, "mse")
    return _rows((y - t) * (y - t))


def half_squared_error(outputs: Any, targets: Any) -> Any:
    """Half the squared error of each row, the form of the textbooks.

    L = 1/2 sum_j (y_j - t_j)^2; dL/dy_j = y_j - t_j. Half a sum over outputs.
    """
    y, t = aligned(outputs, targets, "half_squared_error")
    return _row_sums((y - t) * (y - t)) * 0.5


def mae(outputs: Any, targets: Any) -> Any:
    """Mean absolute error of each row.

    L = 1/k sum_j |y_j - t_j|; dL/dy_j = sign(y_j - t_j) / k, 0 where they are equal. A mean over
    outputs.
    """
    y, t = aligned(outputs, targets, "mae")
    return _rows(ops.abs(y - t))


def huber(outputs: Any, targets: Any) -> Any:
    """Squared error near the target, absolute error far from it (Huber 1964).

    With e = |y_j - t_j|: L = 1/k sum_j (e^2 / 2 where e <= 1, else e - 1/2);
    dL/dy_j = clip(y_j - t_j, -1, 1) / k. A mean over outputs.
    """
    y, t = aligned(outputs, targets, "huber")
    error, one = y - t, y.dtype.type(1)
    near = ops.clip(error, -one, one)
    return _rows(near * (error - near * 0.5))


def log_softmax(logits: Any) -> Any:
    """z_j - ln sum_k e^z_k along the last axis, without overflow."""
    axes = (len(logits.shape) - 1,)
    top = ops.stop_gradient(ops.max(logits, axes=axes))
    shifted = logits - expand(top, logits.shape, axes)
    return shifted - expand(ops.log(ops.sum(ops.exp(shifted), axes=axes)), logits.shape, axes)


def cross_entropy(logits: Any, labels: Any) -> Any:
    """Negative log-likelihood of each row's class under softmax(logits).

    L = ln sum_j e^z_j - z_label; dL/dz = p - onehot(label), p = softmax(z).

    Parameters
    ----------
    logits : float (n, k)
        Raw outputs, one per class; not softmax probabilities.
    labels : int (n,), or (n, k)
        Class indices in [0, k), or probabilities that sum to 1 in each row: L = -sum_j t_j ln p_j.

    Raises
    ------
    DataError, IndexError
        Where a label is no index of a class; IndexError in compiled code.

    Examples
    --------
    >>> from deltarule.nn.losses import cross_entropy
    >>> cross_entropy(np.array([[2.0, 1.0, 0.1]]), np.array([0])).round(6)
    array([0.41703])
    """
    z, t = as_float(logits), as_array(labels)
    if len(z.shape) < 2 or z.shape[-1] < 2:
        raise ShapeError(
            f"cross_entropy: outputs have shape {z.shape}; it takes (rows, classes) with 2 classes "
            "or more. For one output use binary_cross_entropy"
        )
    logp = log_softmax(z)
    if t.shape == z.shape:
        return ops.sum(-(ops.cast(t, dtype=z.dtype) * logp), axes=(len(z.shape) - 1,))
    if t.shape == (*z.shape[:-1], 1):
        t = ops.reshape(t, shape=t.shape[:-1])
    if t.dtype.kind not in "biu" or t.shape != z.shape[:-1]:
        raise ShapeError(
            f"cross_entropy: labels are integers of shape {z.shape[:-1]}, or probabilities of "
            f"shape {z.shape}; given are {t.dtype} of shape {t.shape}"
        )
    rows, classes = int(np.prod(z.shape[:-1])), z.shape[-1]
    places = _places(ops.reshape(t, shape=(rows,)), classes)
    chosen = ops.gather(ops.reshape(logp, shape=(rows * classes,)), places)
    return ops.reshape(-chosen, shape=z.shape[:-1])


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
        raise DataError(
            f"{name}{place} is class {labels[tuple(place)]}; the network has {classes} outputs, "
            f"for classes 0 to {classes - 1}. Give the last layer more units, or number the "
            "classes from 0"
        )


def binary_cross_entropy(logits: Any, targets: Any) -> Any:
    """Logistic loss of each row, from logits.

    L = 1/k sum_j max(z_j, 0) - z_j t_j + ln(1 + e^-|z_j|); dL/dz_j = (sigma(z_j) - t_j) / k. A mean
    over outputs.

    Parameters
    ----------
    logits : float (n, k) or (n,)
        Raw outputs.
    targets : (n, k) or (n,)
        0, 1, or probabilities.

    Examples
    --------
    >>> from deltarule.nn.losses import binary_cross_entropy
    >>> binary_cross_entropy(np.array([0.8]), np.array([1.0])).round(6)
    array([0.371101])
    """
    z, t = aligned(logits, targets, "binary_cross_entropy")
    zero = z.dtype.type(0)
    larger = ops.ge(z, zero)  # a choice, not max and |z|: both have derivative 0 at a logit of 0
    high, low = ops.select(larger, z, zero), ops.select(larger, zero, z)
    return _rows(high - z * t + ops.log1p(ops.exp(low - high)))


LOSSES: dict[str, PerRow] = {
    "mse": mse,
    "half_squared_error": half_squared_error,
    "mae": mae,
    "huber": huber,
    "cross_entropy": cross_entropy,
    "binary_cross_entropy": binary_cross_entropy,
}


@dataclass(frozen=True, slots=True)
class Loss:
    """A loss by name or function: one number per row, whose mean over the batch is trained on.

    Attributes
    ----------
    name : str
        Of the loss, or of the user's function.
    function : callable
        (outputs, targets) -> one number per row, one per output, or one for the batch.
    named : bool
        Whether it is one of ours.
    """

    name: str
    function: PerRow
    named: bool = False

    @property
    def classes(self) -> bool:
        """Whether targets may be class indices."""
        return self.named and self.name == "cross_entropy"

    def __call__(self, outputs: Any, targets: Any, weight: Any = None) -> Any:
        """The loss of a batch: mean over rows of weight times the row's loss."""
        found = self.function(outputs, targets)
        rows = as_array(found)
        if rows.dtype.kind not in "biuf":
            raise ShapeError(
                f"{self.name} returned {found!r}; a loss returns a number or an array of numbers"
            )
        if rows.shape == ():
            if weight is not None:
                raise ShapeError(
                    f"sample weights need one loss per row; {self.name} returned a single number. "
                    "Return an array of shape (rows,)"
                )
            return as_float(rows)
        self._check(rows.shape, outputs.shape, targets)
        rows = _rows(as_float(rows))
        if weight is not None:
            weight = as_array(weight)
            if weight.shape != rows.shape:
                raise ShapeError(f"weights have shape {weight.shape}; {rows.shape} is needed")
            rows = rows * ops.cast(weight, dtype=rows.dtype)
        return ops.mean(rows, axes=(0,))

    def _check(self, shape: tuple[int, ...], outputs: tuple[int, ...], targets: Any) -> None:
        """The result has the first axes of the outputs: one number per row, or per output."""
        if len(shape) > len(outputs) or any(
            n not in (1, size) for n, size in zip(shape, outputs, strict=False)
        ):
            raise ShapeError(
                f"{self.name} returned shape {shape} for outputs of shape {outputs} and targets of "
                f"shape {as_array(targets).shape}. A loss returns one number, one per row, or one "
                "per output; outputs (n, 1) and targets (n,) broadcast to (n, n): reshape one of "
                "them"
            )


def loss_of(given: str | PerRow | Loss) -> Loss:
    """The loss of a name, or around a function (outputs, targets) -> a number or one per row."""
    if isinstance(given, Loss):
        return given
    if callable(given):
        return Loss(getattr(given, "__name__", "loss"), given)
    if not isinstance(given, str) or given not in LOSSES:
        raise DataError(
            f"no loss is called {given!r}; known: {', '.join(LOSSES)}, or a function of (outputs, "
            "targets)"
        )
    return Loss(given, LOSSES[given], named=True)
