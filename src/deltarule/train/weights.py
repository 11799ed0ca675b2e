"""The weight of each row of a training: given, or by its class.

In: what the user gave to ``fit``. Out: one number a row, of mean 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from deltarule.errors import DataError
from deltarule.nn import Module

Array = np.ndarray[Any, Any]


def row_weights(
    sample_weight: Any, class_weight: Any, targets: Array, training: Array, name: str = ""
) -> Array | None:
    """The weight of each row: its own times that of its class.

    Parameters
    ----------
    targets, training : array
        Of these rows, and of those that are trained on, whose counts balance the classes.
    name : str
        What the rows are called in errors.
    """
    weight, n = None, len(targets)
    if sample_weight is not None:
        weight = np.asarray(sample_weight)
        if weight.shape != (n,) or weight.dtype.kind not in "biuf":
            raise DataError(
                f"{name}sample_weight has shape {weight.shape} and dtype {weight.dtype}; one number per "
                f"row is needed, shape ({n},)"
            )
        _check_weights(weight, f"{name}sample_weight")
        weight = weight.astype(np.float64)
    if class_weight is None:
        return weight
    by_row = _by_class(class_weight, _classes(targets), _classes(training), name)
    return by_row if weight is None else weight * by_row


def _check_weights(weight: Array, name: str) -> None:
    wrong = np.flatnonzero(~np.isfinite(weight) | (weight < 0))
    if wrong.size:
        raise DataError(
            f"{name}[{wrong[0]}] is {weight[wrong[0]]}; weights are 0 or more, and finite"
        )


def _classes(targets: Array) -> Array:
    """One class index per row."""
    flat = targets.reshape(len(targets), -1)
    if flat.shape[1] != 1 or (flat != np.rint(flat)).any():
        raise DataError(
            f"class_weight needs one class index per row as targets, not {targets.dtype} of shape "
            f"{targets.shape}"
        )
    return flat[:, 0].astype(np.int64)


def _by_class(class_weight: Any, labels: Array, training: Array, name: str) -> Array:
    """The weight of each row's class."""
    balanced = isinstance(class_weight, str) and class_weight == "balanced"
    if balanced:
        classes, counts = np.unique(training, return_counts=True)
        by_class = len(training) / (len(classes) * counts)
        class_weight = dict(zip(classes.tolist(), by_class, strict=True))
    if not isinstance(class_weight, dict):
        raise DataError(
            f"class_weight is 'balanced' or a dict of class to weight, not {class_weight!r}"
        )
    classes, which = np.unique(labels, return_inverse=True)
    missing = [int(c) for c in classes if int(c) not in class_weight]
    if missing:
        why = f", which {name}y has and no training row" if balanced else ""
        raise DataError(f"class_weight has no weight for class {missing[0]}{why}")
    per_class = np.array([class_weight[int(c)] for c in classes], np.float64)
    for c, weight in zip(classes, per_class, strict=True):
        if not np.isfinite(weight) or weight < 0:
            raise DataError(f"class_weight[{c}] is {weight}; weights are 0 or more, and finite")
    by_row: Array = per_class[which]
    return by_row


def mean_one(
    weight: Array | None, net: Module, name: str = "training", rows: Any = slice(None)
) -> Array | None:
    """Weights scaled to mean 1 over some rows, in the network's float type."""
    if weight is None:
        return None
    mean = weight[rows].mean()
    if not mean > 0:
        raise DataError(f"the weights of all {name} rows are 0: there is nothing to weigh")
    return np.ascontiguousarray(weight / mean, net.dtype)
