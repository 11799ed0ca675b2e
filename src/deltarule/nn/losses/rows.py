"""What every loss begins and ends with: outputs and targets in one shape, one number per row.

In: outputs and targets as given. Out: arrays of one shape and type; means and sums by row.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from deltarule.derive.tracer import Tracer
from deltarule.errors import DataError, ShapeError
from deltarule.program import ops


def as_array(x: Any) -> Any:
    """A traced value as it is, anything else as an array."""
    return x if isinstance(x, Tracer) else np.asarray(x)


def as_float(x: Any) -> Any:
    """Integers and bools as float64."""
    x = as_array(x)
    return x if x.dtype.kind == "f" else ops.cast(x, dtype=np.dtype(float))


def mean_rows(x: Any) -> Any:
    """Mean over all axes but the first."""
    return ops.mean(x, axes=tuple(range(1, len(x.shape)))) if len(x.shape) > 1 else x


def sum_rows(x: Any) -> Any:
    """Sum over all axes but the first."""
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


def setting(name: str, value: Any, low: float, high: float, ends: str = "[]") -> float:
    """The value of a loss's setting; DataError where it is outside an interval.

    ``ends`` says whether each end belongs to it: [ and ] that it does, ( and ) that it does not.
    """
    number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    inside = number and low <= value <= high
    edge = (ends[0] == "(" and value == low) or (ends[1] == ")" and value == high)
    if not inside or edge:
        raise DataError(f"{name} is a number in {ends[0]}{low:g}, {high:g}{ends[1]}, not {value!r}")
    return float(value)
