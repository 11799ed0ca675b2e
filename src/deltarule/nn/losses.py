"""Losses: how far predictions are from targets. Each says whether it is a mean, a sum, or half of
one.

In: raw outputs of a network and targets. Out: one number per row (``per_row``), and their mean as
the loss of a batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.derive.functions import as_array, as_float
from deltarule.errors import DataError, ShapeError
from deltarule.program import ops
from deltarule.program.families import broadcast_to
from deltarule.program.ops.reduce import expand

PerRow = Callable[[Any, Any], Any]


def _rows(x: Any) -> Any:
    """Mean over all axes but the first."""
    return ops.mean(x, axes=tuple(range(1, len(x.shape)))) if len(x.shape) > 1 else x


def _row_sums(x: Any) -> Any:
    return ops.sum(x, axes=tuple(range(1, len(x.shape)))) if len(x.shape) > 1 else x


def aligned(outputs: Any, targets: Any, name: str) -> tuple[Any, Any]:
    """Outputs and targets in one shape: targets of shape (n,) fit outputs of shape (n, 1), and
    nothing else is guessed."""
    y, t = as_float(outputs), as_array(targets)
    if t.shape != y.shape:
        if (*t.shape, 1) == y.shape or t.shape == (*y.shape, 1):
            t = ops.reshape(t, shape=y.shape)
        else:
            raise ShapeError(
                f"{name}: outputs have shape {y.shape}, targets {t.shape}; they must be the same, "
                "one value each"
            )
    return y, t if t.dtype == y.dtype else ops.cast(t, dtype=y.dtype)


def mse(outputs: Any, targets: Any) -> Any:
    """Mean squared error of each row: 1/k sum_j (y_j - t_j)^2; dL/dy_j = 2 (y_j - t_j) / k."""
    y, t = aligned(outputs, targets, "mse")
    return _rows((y - t) * (y - t))


def half_squared_error(outputs: Any, targets: Any) -> Any:
    """Half the sum of squared errors of each row: 1/2 sum_j (y_j - t_j)^2; dL/dy_j = y_j - t_j. The
    form of the textbooks."""
    y, t = aligned(outputs, targets, "half_squared_error")
    return _row_sums((y - t) * (y - t)) * 0.5


def mae(outputs: Any, targets: Any) -> Any:
    """Mean absolute error of each row: 1/k sum_j |y_j - t_j|; dL/dy_j = sign(y_j - t_j) / k, 0
    where they are equal."""
    y, t = aligned(outputs, targets, "mae")
    return _rows(ops.abs(y - t))


def log_softmax(logits: Any) -> Any:
    """z_j - ln sum_k e^z_k along the last axis, without overflow."""
    axes = (len(logits.shape) - 1,)
    top = ops.stop_gradient(ops.max(logits, axes=axes))
    shifted = logits - expand(top, logits.shape, axes)
    return shifted - expand(ops.log(ops.sum(ops.exp(shifted), axes=axes)), logits.shape, axes)


def cross_entropy(logits: Any, labels: Any) -> Any:
    """Negative log-likelihood of each row's class under softmax(logits): L = ln sum_k e^z_k -
    z_label; dL/dz = p - onehot.

    Parameters
    ----------
    logits : float (n, k)
        Raw outputs, one per class; not softmax probabilities.
    labels : int (n,), or float (n, k)
        Class indices in [0, k), or probabilities that sum to 1 in each row: L = -sum_j t_j ln p_j.

    Examples
    --------
    >>> from deltarule.nn.losses import cross_entropy
    >>> cross_entropy(np.array([[2.0, 1.0, 0.1]]), np.array([0])).round(6)
    array([0.41703])
    """
    z, t = as_float(logits), as_array(labels)
    if len(z.shape) < 2 or z.shape[-1] < 2:
        raise ShapeError(
            f"cross_entropy: logits are (rows, classes) with 2 classes or more, not shape {z.shape}"
        )
    logp = log_softmax(z)
    if t.dtype.kind == "f" and t.shape == z.shape:
        return ops.sum(-(ops.cast(t, dtype=z.dtype) * logp), axes=(len(z.shape) - 1,))
    if t.shape == (*z.shape[:-1], 1):
        t = ops.reshape(t, shape=t.shape[:-1])
    if t.dtype.kind not in "iu" or t.shape != z.shape[:-1]:
        raise ShapeError(
            f"cross_entropy: labels are integers of shape {z.shape[:-1]}, or probabilities of "
            f"shape {z.shape}; given are {t.dtype} "
            f"of shape {t.shape}"
        )
    k, n = z.shape[-1], int(np.prod(z.shape[:-1]))
    index = ops.cast(ops.reshape(t, shape=(n,)), dtype=np.dtype(np.int64))
    place = np.arange(n) * k + index
    return ops.reshape(-ops.gather(ops.reshape(logp, shape=(n * k,)), place), shape=z.shape[:-1])


def binary_cross_entropy(logits: Any, targets: Any) -> Any:
    """Mean logistic loss of each row, from logits: L = max(z, 0) - z t + ln(1 + e^-|z|); dL/dz =
    sigma(z) - t.

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
    return _rows(ops.relu(z) - z * t + ops.log1p(ops.exp(-ops.abs(z))))


LOSSES: dict[str, PerRow] = {
    "mse": mse,
    "half_squared_error": half_squared_error,
    "mae": mae,
    "cross_entropy": cross_entropy,
    "binary_cross_entropy": binary_cross_entropy,
}


@dataclass(frozen=True, slots=True)
class Loss:
    """A loss by name or function: one number per row, whose mean over the batch is trained on."""

    name: str
    function: PerRow
    classes: bool = False

    def __call__(self, outputs: Any, targets: Any, weight: Any = None) -> Any:
        """The loss of a batch: mean over rows of weight times the row's loss."""
        rows = as_array(self.function(outputs, targets))
        if rows.shape == ():
            if weight is not None:
                raise ShapeError(
                    f"sample weights need one loss per row; {self.name} returned a single number. "
                    "Return an array of shape (rows,)"
                )
            return rows
        rows = _rows(as_float(rows))
        if rows.shape[0] != outputs.shape[0]:
            raise ShapeError(
                f"{self.name} returned shape {rows.shape} for {outputs.shape[0]} rows; return a "
                "number or one per row"
            )
        if weight is not None:
            rows = rows * broadcast_to(ops.cast(weight, dtype=rows.dtype), rows.shape)
        return ops.mean(rows, axes=(0,))


def loss_of(given: str | PerRow) -> Loss:
    """The loss of a name, or around a function (outputs, targets) -> a number or one per row."""
    if callable(given):
        return Loss(getattr(given, "__name__", "loss"), given)
    if given not in LOSSES:
        raise DataError(
            f"no loss is called {given!r}; known: {', '.join(LOSSES)}, or a function of (outputs, "
            "targets)"
        )
    return Loss(given, LOSSES[given], given == "cross_entropy")
