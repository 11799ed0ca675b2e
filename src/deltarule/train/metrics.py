"""Measures of a trained network, on raw outputs and targets.

In: outputs and targets as arrays. Out: one number. For reading, not for training: plain NumPy.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from deltarule.errors import DataError
from deltarule.nn import Loss
from deltarule.nn.losses import aligned

Metric = Callable[[Any, Any], float]


def accuracy(outputs: Any, targets: Any, loss: Loss) -> float:
    """Share of rows whose class is right.

    Of several outputs the largest is the class. A single output is a logit under
    binary_cross_entropy, with class 1 above 0; under other losses it is compared with the middle of
    the targets' two values, 0 and 1 or -1 and 1.
    """
    if loss.named and loss.name == "binary_cross_entropy":
        z, t = aligned(outputs, targets, "accuracy")
        return float(np.mean((z > 0) == (t > 0.5)))
    if outputs.ndim > 1 and outputs.shape[-1] > 1:
        labels = targets.argmax(-1) if targets.shape == outputs.shape else targets
        return float(np.mean(outputs.argmax(-1) == labels.reshape(outputs.shape[:-1])))
    y, t = aligned(outputs, targets, "accuracy")
    signs = bool((t < 0).any())
    if not loss.named or not np.isin(t, (-1, 1) if signs else (0, 1)).all():
        raise DataError(
            "accuracy of a single output needs targets 0 and 1, or -1 and 1, and one of our "
            "losses; else give a metric of your own, a function of (outputs, targets)"
        )
    return float(np.mean((y > 0) == (t > 0) if signs else (y > 0.5) == (t > 0.5)))


def mae(outputs: Any, targets: Any) -> float:
    """Mean absolute error, in the unit of the target: mean |y - t|."""
    y, t = aligned(outputs, targets, "mae")
    return float(np.mean(np.abs(y - t), dtype=float))


def rmse(outputs: Any, targets: Any) -> float:
    """Root of the mean squared error, in the unit of the target: sqrt(mean (y - t)^2)."""
    y, t = aligned(outputs, targets, "rmse")
    return float(np.sqrt(np.mean((y.astype(float) - t) ** 2)))


def r2(outputs: Any, targets: Any) -> float:
    """Share of the target's variance that is explained: 1 - sum (y - t)^2 / sum (t - mean t)^2.

    NaN where all targets are equal.
    """
    y, t = aligned(outputs, targets, "r2")
    y, t = y.astype(float), t.astype(float)
    spread = np.sum((t - t.mean()) ** 2)
    return float(1 - np.sum((y - t) ** 2) / spread) if spread else float("nan")


METRICS: dict[str, Metric] = {f.__name__: f for f in (mae, rmse, r2)}


def metrics_of(given: Any, loss: Loss) -> dict[str, Metric]:
    """Metrics by name; functions go by their own name."""
    known: dict[str, Metric] = {"accuracy": partial(accuracy, loss=loss), **METRICS}
    out: dict[str, Metric] = {}
    for item in (given,) if isinstance(given, str) or callable(given) else given:
        if not callable(item) and item not in known:
            raise DataError(
                f"no metric is called {item!r}; known: {', '.join(known)}, or a function of "
                "(outputs, targets)"
            )
        name = getattr(item, "__name__", type(item).__name__) if callable(item) else item
        if name in out:
            raise DataError(f"two metrics are called {name!r}")
        out[name] = item if callable(item) else known[item]
    return out
