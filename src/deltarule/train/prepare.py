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
from deltarule.nn.arrays import as_numbers, in_dtype, shown
from deltarule.nn.losses.classes import check_labels
from deltarule.nn.losses.targets import check_indices, check_targets, warn_of_idle
from deltarule.train.weights import Array, mean_one, row_weights


@dataclass(frozen=True, slots=True)
class Held:
    """Rows to validate on.

    Attributes
    ----------
    inputs, targets : array
        The rows.
    weight : array or None
        Of each row, of mean 1.
    """

    inputs: Array
    targets: Array
    weight: Array | None


@dataclass(frozen=True, slots=True)
class Data:
    """Arrays of one training.

    Attributes
    ----------
    inputs, targets : array
        The rows that were given.
    weight : array or None
        Of each row, of mean 1 over those to train on.
    chosen : int array or None
        Those to train on, where not all are.
    held : Held or None
        The rows to validate on.
    """

    inputs: Array
    targets: Array
    weight: Array | None
    chosen: Array | None
    held: Held | None

    @property
    def rows(self) -> int:
        """Number of training rows."""
        return len(self.inputs if self.chosen is None else self.chosen)

    def arrays(self) -> list[Array]:
        """What a step reads."""
        return [self.inputs, self.targets, *([] if self.weight is None else [self.weight])]

    def indices(self, order: Array) -> Array:
        """Where the rows that an order of the training rows names stand in the arrays."""
        return order if self.chosen is None else self.chosen[order]

    def trained(self) -> tuple[Array, Array]:
        """Inputs and targets of the training rows."""
        rows = slice(None) if self.chosen is None else self.chosen
        return self.inputs[rows], self.targets[rows]

    @property
    def trained_weight(self) -> Array | None:
        """Weights of the training rows."""
        if self.weight is None or self.chosen is None:
            return self.weight
        return self.weight[self.chosen]


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
    weight = row_weights(sample_weight, class_weight, targets, targets)
    if validation is None or (callable(validation) and not isinstance(validation, np.ndarray)):
        return Data(inputs, targets, mean_one(weight, net), None, None)
    if not isinstance(validation, (tuple, list)):
        strata = _strata(targets, loss)
        kept, out = _parts(len(inputs), validation, seed, strata)
        held_weight = None if weight is None else mean_one(weight[out], net, "validation")
        held = Held(inputs[out], targets[out], held_weight)
        return Data(inputs, targets, mean_one(weight, net, rows=kept), kept, held)
    if len(validation) not in (2, 3):
        raise DataError(
            f"validation is (X, y), or (X, y, sample_weight), not {len(validation)} things"
        )
    held_inputs, held_targets = _pair(net, validation[0], validation[1], loss, "validation ")
    for a, b, name in ((held_inputs, inputs, "X"), (held_targets, targets, "y")):
        if a.shape[1:] != b.shape[1:]:
            raise DataError(
                f"validation {name} has shape {a.shape}, {name} has shape {b.shape}; the axes "
                "after the first must be the same"
            )
    own = row_weights(validation[2] if len(validation) > 2 else None, class_weight, held_targets,
                      targets, "validation ")  # fmt: skip
    held = Held(held_inputs, held_targets, mean_one(own, net, "validation"))
    return Data(inputs, targets, mean_one(weight, net), None, held)


def _parts(rows: int, fraction: Any, seed: int, strata: Array | None = None) -> tuple[Array, Array]:
    """Rows to train and rows to validate on."""
    if not isinstance(fraction, Real) or not 0 < float(fraction) < 1:
        raise DataError(
            "validation is a function of the network, a fraction between 0 and 1, a pair (X, y), or "
            f"None, not {shown(fraction)}"
        )
    if rows < 2:
        raise DataError(f"validation={fraction} needs 2 rows or more, {rows} is given")
    kept, out = split(rows, (1 - float(fraction), float(fraction)), seed, strata)
    return kept, out


def _strata(targets: Array, loss: Loss) -> Array | None:
    """The class of each row, where targets are one class a row."""
    flat = targets.reshape(len(targets), -1)
    two = loss.named and loss.name in ("binary_cross_entropy", "binary_focal", "hinge")
    one = flat.shape[1] == 1 and (targets.dtype.kind == "i" or two)
    return flat[:, 0] if one and (loss.classes or two) else None


def _pair(net: Module, X: Any, y: Any, loss: Loss, name: str) -> tuple[Array, Array]:
    """Inputs and targets, of the same number of rows."""
    inputs = _inputs(X, net, f"{name}X")
    net.check_inputs(inputs)
    targets = _targets(y, net, loss, f"{name}y")
    if len(inputs) != len(targets):
        raise DataError(
            f"{name}X has {len(inputs)} rows, {name}y has {len(targets)}; each row of one belongs "
            f"to one of the other{_turned(inputs, targets, name)}"
        )
    return inputs, targets


def _turned(inputs: Array, targets: Array, name: str) -> str:
    """What to do where one of the two lies on its side."""
    if inputs.ndim == 2 and inputs.shape[1] == len(targets):
        return f". {name}X has shape {inputs.shape}: are its rows columns? Give {name}X.T"
    if targets.shape == (1, len(inputs)):
        return f". {name}y has shape {targets.shape}: give {name}y.reshape(-1)"
    return ""


def _array(x: Any, name: str) -> Array:
    """A finite array of numbers with at least one row."""
    x = as_numbers(x, name)
    if x.ndim == 0 or x.size == 0:
        raise DataError(f"{name} has shape {x.shape}: there is nothing to train on")
    return _finite(x, name)


def _finite(x: Array, name: str) -> Array:
    """``x`` itself; DataError with the first place where it is not finite."""
    if x.dtype.kind == "f" and not (np.isfinite(x.min()) and np.isfinite(x.max())):
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
    return np.ascontiguousarray(in_dtype(x, net.dtype, name))


def _targets(y: Any, net: Module, loss: Loss, name: str) -> Array:
    """Class indices as integers, others as floats; a user's loss gets integers as they are."""
    t = _array(y, name)
    if t.dtype.kind in "iub" and (loss.classes or not loss.named):
        return np.ascontiguousarray(t.astype(np.int64))
    if loss.classes:
        check_indices(t, loss.name, name)
    if loss.named:
        check_targets(t, loss.name, name)
    return _converted(t, net, name)


def check_classes(data: Data, outputs: tuple[int, ...], loss: Loss) -> None:
    """Raise where integers are no classes of the outputs, nor what the loss takes of each output."""
    held = [] if data.held is None else [(data.held.targets, "validation y")]
    for targets, name in ((data.targets, "y"), *held):
        if targets.dtype.kind != "i":
            continue
        if outputs[-1] > 1 and targets.shape[1:] != outputs[1:]:
            check_labels(targets, outputs[-1], name)
        elif outputs[-1] > 1 or loss.name == "hinge":
            check_targets(targets, loss.name, name)
    warn_of_idle(outputs[-1], [data.targets, *(targets for targets, _ in held)])
