"""Initial weights: their spread decides whether signals and gradients keep their size.

In: a name, or a function ``(key, shape) -> array``. Out: initial arrays, a function of the seed,
the layer's path and the weight's name only.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from deltarule.errors import ShapeError
from deltarule.program import random

Initializer = Callable[..., Any]


def zeros(key: Any, shape: tuple[int, ...]) -> Any:
    """All zeros: for biases."""
    return np.zeros(shape)


def ones(key: Any, shape: tuple[int, ...]) -> Any:
    """All ones: for gains."""
    return np.ones(shape)


def _fans(shape: tuple[int, ...]) -> tuple[int, int]:
    return (shape[0], shape[-1]) if len(shape) > 1 else (max(shape[0], 1), 1) if shape else (1, 1)


def glorot_uniform(key: Any, shape: tuple[int, ...]) -> Any:
    """Uniform in +-sqrt(6 / (fan_in + fan_out)), for tanh, logistic and linear units.

    The variance is 2 / (fan_in + fan_out) (Glorot and Bengio 2010).
    """
    bound = math.sqrt(6 / sum(_fans(shape)))
    return random.uniform(key, shape, -bound, bound, dtype="float64")


def glorot_normal(key: Any, shape: tuple[int, ...]) -> Any:
    """Normal of variance 2 / (fan_in + fan_out) (Glorot and Bengio 2010)."""
    return random.normal(key, shape, dtype="float64") * math.sqrt(2 / sum(_fans(shape)))


def he_uniform(key: Any, shape: tuple[int, ...]) -> Any:
    """Uniform in +-sqrt(6 / fan_in) (He and others 2015): for rectifiers."""
    bound = math.sqrt(6 / _fans(shape)[0])
    return random.uniform(key, shape, -bound, bound, dtype="float64")


def he_normal(key: Any, shape: tuple[int, ...]) -> Any:
    """Normal of variance 2 / fan_in (He and others 2015): for rectifiers."""
    return random.normal(key, shape, dtype="float64") * math.sqrt(2 / _fans(shape)[0])


INITIALIZERS: dict[str, Initializer] = {
    f.__name__: f for f in (zeros, ones, glorot_uniform, glorot_normal, he_uniform, he_normal)
}


def initializer(given: str | Initializer) -> Initializer:
    """The initializer of a name, or the function itself."""
    if callable(given):
        return given
    if not isinstance(given, str) or given not in INITIALIZERS:
        known = ", ".join(INITIALIZERS)
        raise ShapeError(
            f"no initializer is called {given!r}; known: {known}, or a function (key, shape) -> "
            "array"
        )
    return INITIALIZERS[given]
