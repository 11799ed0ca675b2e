"""Check and convert the data of a training: clear errors before the first step.

In: what the user gave to ``fit``. Out: contiguous arrays in the network's types, split into training and validation rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.data.split import split
from deltarule.errors import DataError
from deltarule.nn import Loss, Module

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Data:
    """Arrays of one training; ``weight`` has mean 1, or is None; ``held`` are validation inputs and targets, or None."""

    inputs: Array
    targets: Array
    weight: Array | None
    held: tuple[Array, Array] | None

    @property
    def rows(self) -> int:
        """Number of training rows."""
        return len(self.inputs)


def prepare(
    net: Module,
    X: Any,
    y: Any,
    loss: Loss,
    validation: Any,
    sample_weight: Any,
    class_weight: Any,
    seed: int,
) -> Data:
    """Arrays for training ``net``; DataError where they cannot be used, naming the row."""
    inputs, targets = _inputs(X, net, "X"), _targets(y, net, loss, "y")
    same_length(inputs, targets, "X", "y")
    weight = _weights(sample_weight, class_weight, targets, len(inputs))
    if validation is None:
        return Data(inputs, targets, _mean_one(weight), None)
    if isinstance(validation, tuple):
        if len(validation) != 2:
            raise DataError(f"validation is a fraction or (X, y), not a tuple of {len(validation)}")
        held = (
            _inputs(validation[0], net, "validation X"),
            _targets(validation[1], net, loss, "validation y"),
        )
        same_length(*held, "validation X", "validation y")
        return Data(inputs, targets, _mean_one(weight), held)
    if not isinstance(validation, float) or not 0 < validation < 1:
        raise DataError(
            f"validation is a fraction in (0, 1), a pair (X, y), or None, not {validation!r}"
        )
    kept, out = split(len(inputs), (1 - validation, validation), seed)
    if not len(kept) or not len(out):
        raise DataError(
            f"validation={validation} of {len(inputs)} rows leaves {len(kept)} for training, {len(out)} for validation"
        )
    weight = None if weight is None else weight[kept]
    return Data(inputs[kept], targets[kept], _mean_one(weight), (inputs[out], targets[out]))


def same_length(a: Array, b: Array, name_a: str, name_b: str) -> None:
    """Raise where two arrays have different numbers of rows."""
    if len(a) != len(b):
        raise DataError(
            f"{name_a} has {len(a)} rows, {name_b} has {len(b)}; each row of one belongs to one of the other"
        )


def _array(x: Any, name: str) -> Array:
    x = np.asarray(x)
    if x.dtype.kind not in "biuf":
        raise DataError(
            f"{name} has dtype {x.dtype}; numbers are needed. For tables with text use dr.train_table or the command line"
        )
    if x.ndim == 0 or len(x) == 0:
        raise DataError(f"{name} has shape {x.shape}: there is no row to train on")
    return x


def _finite(x: Array, name: str) -> Array:
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(x))[0])
        count = int((~np.isfinite(x)).sum())
        raise DataError(
            f"{name}{list(where)} is {x[where]}; {count} of {x.size} values are not finite. Fill or drop these rows first"
        )
    return x


def _inputs(X: Any, net: Module, name: str) -> Array:
    x = _finite(_array(X, name), name)
    if x.ndim == 1:
        raise DataError(
            f"{name} has shape {x.shape}; inputs are (rows, features). One feature? {name}.reshape(-1, 1)"
        )
    return np.ascontiguousarray(
        _finite(x.astype(net.dtype, copy=False), f"{name}, as {net.dtype},")
    )


def _targets(y: Any, net: Module, loss: Loss, name: str) -> Array:
    t = _finite(_array(y, name), name)
    if t.dtype.kind in "iub" and loss.classes:
        return np.ascontiguousarray(t.astype(np.int64))
    if loss.classes and t.ndim == 1:
        raise DataError(
            f"{name} has dtype {t.dtype}; {loss.name} takes class indices 0, 1, ... as integers: {name}.astype(int)"
        )
    return np.ascontiguousarray(t.astype(net.dtype))


def check_labels(targets: Array, classes: int, name: str = "y") -> None:
    """Raise where a class index is outside [0, classes)."""
    if targets.dtype.kind != "i":
        return
    wrong = np.flatnonzero((targets < 0) | (targets >= classes))
    if wrong.size:
        where = np.unravel_index(wrong[0], targets.shape)
        raise DataError(
            f"{name}{[int(i) for i in where]} is class {targets[where]}; the network has {classes} outputs, for classes 0 to "
            f"{classes - 1}. Give the last layer more units, or number the classes from 0"
        )


def _weights(sample_weight: Any, class_weight: Any, targets: Array, n: int) -> Array | None:
    weight = None
    if sample_weight is not None:
        weight = np.asarray(sample_weight, np.float64)
        if weight.shape != (n,):
            raise DataError(
                f"sample_weight has shape {weight.shape}; one weight per row is needed, shape ({n},)"
            )
        if not np.isfinite(weight).all() or (weight < 0).any() or weight.sum() == 0:
            raise DataError("sample_weight must be finite, not negative, and not all zero")
    if class_weight is None:
        return weight
    if targets.dtype.kind != "i" or targets.ndim != 1:
        raise DataError(
            f"class_weight needs class indices as targets, not {targets.dtype} of shape {targets.shape}"
        )
    classes, counts = np.unique(targets, return_counts=True)
    if isinstance(class_weight, str):
        if class_weight != "balanced":
            raise DataError(
                f"class_weight is 'balanced' or a dict of class to weight, not {class_weight!r}"
            )
        class_weight = {
            int(c): n / (len(classes) * k) for c, k in zip(classes, counts, strict=True)
        }
    missing = [int(c) for c in classes if int(c) not in class_weight]
    if missing:
        raise DataError(f"class_weight has no weight for class {missing[0]}")
    per_class = np.array([class_weight[int(c)] for c in classes], np.float64)
    by_row: Array = per_class[np.searchsorted(classes, targets)]
    return by_row if weight is None else weight * by_row


def _mean_one(weight: Array | None) -> Array | None:
    return None if weight is None else np.ascontiguousarray(weight / weight.mean(), np.float32)
