"""Check and convert the data of a training: clear errors before the first step.

In: what the user gave to ``fit``. Out: contiguous arrays in the network's types, split into
training and validation rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from deltarule.data.split import split
from deltarule.errors import DataError
from deltarule.nn import Loss, Module
from deltarule.nn.losses.classes import check_labels
from deltarule.nn.losses.targets import check_targets

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Data:
    """Arrays of one training.

    Attributes
    ----------
    inputs, targets : array
        The rows to train on.
    weight : array or None
        Of each row, of mean 1.
    held : (inputs, targets) or None
        The rows to validate on.
    """

    inputs: Array
    targets: Array
    weight: Array | None
    held: tuple[Array, Array] | None

    @property
    def rows(self) -> int:
        """Number of training rows."""
        return len(self.inputs)

    def arrays(self) -> list[Array]:
        """What a step reads."""
        return [self.inputs, self.targets, *([] if self.weight is None else [self.weight])]


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
    inputs, targets = _pair(net, X, y, loss, "")
    weight = _weights(sample_weight, class_weight, targets, len(inputs))
    held = None
    if isinstance(validation, (tuple, list)):
        if len(validation) != 2:
            raise DataError(f"validation is a pair (X, y), not {len(validation)} things")
        held = _pair(net, validation[0], validation[1], loss, "validation ")
        for a, b, name in zip(held, (inputs, targets), ("X", "y"), strict=True):
            if a.shape[1:] != b.shape[1:]:
                raise DataError(
                    f"validation {name} has shape {a.shape}, {name} has shape {b.shape}; the axes "
                    "after the first must be the same"
                )
    elif validation is not None:
        kept, out = _parts(len(inputs), validation, seed)
        held = inputs[out], targets[out]
        inputs, targets = inputs[kept], targets[kept]
        weight = None if weight is None else weight[kept]
    return Data(inputs, targets, _mean_one(weight, net), held)


def _parts(rows: int, fraction: Any, seed: int) -> tuple[Array, Array]:
    """Rows to train and rows to validate on."""
    if not isinstance(fraction, Real) or not 0 < float(fraction) < 1:
        raise DataError(
            f"validation is a fraction between 0 and 1, a pair (X, y), or None, not {fraction!r}"
        )
    if rows < 2:
        raise DataError(f"validation={fraction} needs 2 rows or more, {rows} is given")
    kept, out = split(rows, (1 - float(fraction), float(fraction)), seed)
    return kept, out


def _pair(net: Module, X: Any, y: Any, loss: Loss, name: str) -> tuple[Array, Array]:
    """Inputs and targets, of the same number of rows."""
    inputs = _inputs(X, net, f"{name}X")
    net.check_inputs(inputs)
    targets = _targets(y, net, loss, f"{name}y")
    if len(inputs) != len(targets):
        raise DataError(
            f"{name}X has {len(inputs)} rows, {name}y has {len(targets)}; each row of one belongs "
            "to one of the other"
        )
    return inputs, targets


def _array(x: Any, name: str) -> Array:
    """A finite array of numbers with at least one row."""
    try:
        x = np.asarray(x)
    except ValueError:
        raise DataError(f"{name} is no array: its rows have different lengths") from None
    if x.dtype.kind not in "biuf":
        labels = f" For class names give their numbers, np.unique({name}, return_inverse=True)[1]."
        raise DataError(
            f"{name} has dtype {x.dtype}; numbers are needed.{labels if x.ndim == 1 else ''} For "
            "tables with text use dr.train_table or the command line"
        )
    if x.ndim == 0 or x.size == 0:
        raise DataError(f"{name} has shape {x.shape}: there is nothing to train on")
    return _finite(x, name)


def _finite(x: Array, name: str) -> Array:
    """``x`` itself; DataError with the first place where it is not finite."""
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        wrong = np.argwhere(~np.isfinite(x))
        where = tuple(int(i) for i in wrong[0])
        rows = len(np.unique(wrong[:, 0]))
        raise DataError(
            f"{name}{list(where)} is {x[where]}: {len(wrong)} of {x.size} values, in {rows} of "
            f"{len(x)} rows, are not finite. Fill or drop these rows first"
        )
    return x


def _inputs(X: Any, net: Module, name: str) -> Array:
    x = _array(X, name)
    if x.ndim == 1:
        raise DataError(
            f"{name} has shape {x.shape}; inputs are (rows, features). One feature? "
            f"{name}.reshape(-1, 1)"
        )
    return _converted(x, net, name)


def _converted(x: Array, net: Module, name: str) -> Array:
    """In the network's float type, which may be too narrow for the numbers."""
    with np.errstate(over="ignore"):
        narrow = x.astype(net.dtype, copy=False)
    return np.ascontiguousarray(_finite(narrow, f"as {net.dtype}, {name}"))


def _targets(y: Any, net: Module, loss: Loss, name: str) -> Array:
    """Class indices as integers, others as floats; a user's loss gets integers as they are."""
    t = _array(y, name)
    if t.dtype.kind in "iub" and (loss.classes or not loss.named):
        return np.ascontiguousarray(t.astype(np.int64))
    if loss.classes and t.ndim == 1:
        raise DataError(
            f"{name} has dtype {t.dtype}; {loss.name} takes class indices 0, 1, ... as integers: "
            f"{name}.astype(int)"
        )
    if loss.named:
        check_targets(t, loss.name, name)
    return _converted(t, net, name)


def check_classes(data: Data, outputs: tuple[int, ...]) -> None:
    """Raise where a class index is none of the outputs."""
    held = [] if data.held is None else [(data.held[1], "validation y")]
    for targets, name in ((data.targets, "y"), *held):
        if targets.dtype.kind == "i" and outputs[-1] > 1 and targets.shape[1:] != outputs[1:]:
            check_labels(targets, outputs[-1], name)


# --- weights ---


def _weights(sample_weight: Any, class_weight: Any, targets: Array, n: int) -> Array | None:
    """The weight of each row, as given."""
    weight = None
    if sample_weight is not None:
        weight = np.asarray(sample_weight)
        if weight.shape != (n,) or weight.dtype.kind not in "biuf":
            raise DataError(
                f"sample_weight has shape {weight.shape} and dtype {weight.dtype}; one number per "
                f"row is needed, shape ({n},)"
            )
        _check_weights(weight, "sample_weight")
        weight = weight.astype(np.float64)
    if class_weight is None:
        return weight
    by_row = _by_class(class_weight, _classes(targets))
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


def _by_class(class_weight: Any, labels: Array) -> Array:
    """The weight of each row's class."""
    classes, which, counts = np.unique(labels, return_inverse=True, return_counts=True)
    if isinstance(class_weight, str) and class_weight == "balanced":
        balanced: Array = (len(labels) / (len(classes) * counts))[which]
        return balanced
    if not isinstance(class_weight, dict):
        raise DataError(
            f"class_weight is 'balanced' or a dict of class to weight, not {class_weight!r}"
        )
    missing = [int(c) for c in classes if int(c) not in class_weight]
    if missing:
        raise DataError(f"class_weight has no weight for class {missing[0]}")
    per_class = np.array([class_weight[int(c)] for c in classes], np.float64)
    for c, weight in zip(classes, per_class, strict=True):
        if not np.isfinite(weight) or weight < 0:
            raise DataError(f"class_weight[{c}] is {weight}; weights are 0 or more, and finite")
    by_row: Array = per_class[which]
    return by_row


def _mean_one(weight: Array | None, net: Module) -> Array | None:
    """Weights scaled to mean 1, in the network's float type."""
    if weight is None:
        return None
    mean = weight.mean()
    if not mean > 0:
        raise DataError("the weights of all training rows are 0: there is nothing to train on")
    return np.ascontiguousarray(weight / mean, net.dtype)
