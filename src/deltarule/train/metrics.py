"""Measures of a trained network, on raw outputs and targets.

In: outputs and targets as arrays. Out: one number. For reading, not for training: plain NumPy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from deltarule.errors import DataError

Metric = Callable[[Any, Any], float]


def accuracy(outputs: Any, targets: Any) -> float:
    """Share of rows whose class is right: the largest of several outputs, or the sign of a single logit."""
    if outputs.ndim > 1 and outputs.shape[-1] > 1:
        right = np.argmax(outputs, -1) == (
            targets if targets.dtype.kind == "i" else np.argmax(targets, -1)
        )
    else:
        right = (outputs.reshape(-1) > 0) == (targets.reshape(-1) > 0.5)
    return float(np.mean(right))


def mae(outputs: Any, targets: Any) -> float:
    """Mean absolute error, in the unit of the target."""
    return float(np.mean(np.abs(outputs - targets.reshape(outputs.shape))))


def rmse(outputs: Any, targets: Any) -> float:
    """Root of the mean squared error, in the unit of the target."""
    return float(np.sqrt(np.mean((outputs.astype(float) - targets.reshape(outputs.shape)) ** 2)))


def r2(outputs: Any, targets: Any) -> float:
    """Share of the target's variance that is explained: 1 - sum (y - t)^2 / sum (t - mean t)^2."""
    t = targets.reshape(outputs.shape).astype(float)
    return float(1 - np.sum((outputs - t) ** 2) / np.sum((t - t.mean()) ** 2))


METRICS: dict[str, Metric] = {f.__name__: f for f in (accuracy, mae, rmse, r2)}


def metrics_of(given: Any) -> dict[str, Metric]:
    """Metrics by name; functions go by their own name."""
    out: dict[str, Metric] = {}
    for item in (given,) if isinstance(given, str) or callable(given) else given:
        if callable(item):
            out[getattr(item, "__name__", "metric")] = item
        elif item in METRICS:
            out[item] = METRICS[item]
        else:
            raise DataError(
                f"no metric is called {item!r}; known: {', '.join(METRICS)}, or a function of (outputs, targets)"
            )
    return out
