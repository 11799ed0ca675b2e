"""Initial weights: their spread decides whether signals and gradients keep their size.

In: a name, or a function ``(key, shape) -> array``. Out: initial arrays, a function of the seed,
the layer's path and the weight's name only. A weight of shape (inputs, units) has fan_in inputs and
fan_out units.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from deltarule.errors import DataError, ShapeError
from deltarule.nn.named import named
from deltarule.program import random

Initializer = Callable[..., Any]

CUT = 2.0  # truncated normals end here, in standard deviations before the cut
CUT_SPREAD = 0.87962566103423978  # the standard deviation that is left of 1


def zeros(key: Any, shape: tuple[int, ...]) -> Any:
    """All zeros: for biases."""
    return np.zeros(shape)


def ones(key: Any, shape: tuple[int, ...]) -> Any:
    """All ones: for gains."""
    return np.ones(shape)


def constant(key: Any, shape: tuple[int, ...], value: float = 0.0) -> Any:
    """All the same number, 0 by default."""
    return np.full(shape, float(value))


def identity(key: Any, shape: tuple[int, ...], gain: float = 1.0) -> Any:
    """gain on the diagonal, 0 elsewhere: each unit starts with one input of its own."""
    return gain * np.eye(*_matrix(shape, "identity"))


def uniform(key: Any, shape: tuple[int, ...], low: float = -0.05, high: float = 0.05) -> Any:
    """Uniform in [low, high)."""
    if not low < high:
        raise DataError(f"uniform: low is below high; low={low!r} and high={high!r} were given")
    return random.uniform(key, shape, low, high, dtype="float64")


def normal(key: Any, shape: tuple[int, ...], std: float = 0.05) -> Any:
    """Normal of mean 0 and standard deviation std."""
    return random.normal(key, shape, dtype="float64") * _spread(std, "normal")


def truncated_normal(key: Any, shape: tuple[int, ...], std: float = 0.05) -> Any:
    """Normal without its tails beyond two standard deviations; std is that of what is left.

    w = std / 0.8796 Phi^-1(u), u uniform between Phi(-2) and Phi(2): |w| <= 2.27 std.
    """
    from scipy.special import ndtr, ndtri

    u = random.uniform(key, shape, float(ndtr(-CUT)), float(ndtr(CUT)), dtype="float64")
    return ndtri(u) * (_spread(std, "truncated_normal") / CUT_SPREAD)


def orthogonal(key: Any, shape: tuple[int, ...], gain: float = 1.0) -> Any:
    """gain times a random matrix with orthonormal rows or columns, whichever are fewer.

    From the QR decomposition of a normal matrix, with the signs that make it uniform among such
    matrices (Saxe and others 2014; Mezzadri 2007).
    """
    rows, columns = _matrix(shape, "orthogonal")
    drawn = np.asarray(
        random.normal(key, (max(rows, columns), min(rows, columns)), dtype="float64")
    )
    q, r = np.linalg.qr(drawn)
    q = q * np.where(np.diag(r) < 0, -1.0, 1.0)
    return gain * (q if rows >= columns else q.T)


def _matrix(shape: tuple[int, ...], name: str) -> tuple[int, int]:
    if len(shape) != 2:
        raise ShapeError(
            f"{name} makes matrices of shape (inputs, units); shape {shape} was asked for. Give "
            "this weight another initializer, 'zeros' for a bias"
        )
    return shape[0], shape[1]


def _spread(std: float, name: str) -> float:
    if not (math.isfinite(std) and std >= 0):
        raise DataError(f"{name}: std is a standard deviation, 0 or more, not {std!r}")
    return std


# --- by the number of inputs and outputs ---


def _fans(shape: tuple[int, ...]) -> tuple[int, int]:
    return (shape[0], shape[-1]) if len(shape) > 1 else (max(shape[0], 1), 1) if shape else (1, 1)


def _uniform(key: Any, shape: tuple[int, ...], over: int, fan: int) -> Any:
    """Uniform of variance over / fan."""
    bound = math.sqrt(3 * over / fan)
    return random.uniform(key, shape, -bound, bound, dtype="float64")


def _normal(key: Any, shape: tuple[int, ...], over: int, fan: int) -> Any:
    """Normal of variance over / fan."""
    return random.normal(key, shape, dtype="float64") * math.sqrt(over / fan)


def glorot_uniform(key: Any, shape: tuple[int, ...]) -> Any:
    """Uniform in +-sqrt(6 / (fan_in + fan_out)), for tanh, logistic and linear units.

    The variance is 2 / (fan_in + fan_out) (Glorot and Bengio 2010).
    """
    return _uniform(key, shape, 2, sum(_fans(shape)))


def glorot_normal(key: Any, shape: tuple[int, ...]) -> Any:
    """Normal of variance 2 / (fan_in + fan_out) (Glorot and Bengio 2010)."""
    return _normal(key, shape, 2, sum(_fans(shape)))


def he_uniform(key: Any, shape: tuple[int, ...]) -> Any:
    """Uniform in +-sqrt(6 / fan_in), of variance 2 / fan_in (He and others 2015): for rectifiers."""
    return _uniform(key, shape, 2, _fans(shape)[0])


def he_normal(key: Any, shape: tuple[int, ...]) -> Any:
    """Normal of variance 2 / fan_in (He and others 2015): for rectifiers."""
    return _normal(key, shape, 2, _fans(shape)[0])


def lecun_uniform(key: Any, shape: tuple[int, ...]) -> Any:
    """Uniform in +-sqrt(3 / fan_in), of variance 1 / fan_in (LeCun and others 1998)."""
    return _uniform(key, shape, 1, _fans(shape)[0])


def lecun_normal(key: Any, shape: tuple[int, ...]) -> Any:
    """Normal of variance 1 / fan_in (LeCun and others 1998): for selu."""
    return _normal(key, shape, 1, _fans(shape)[0])


INITIALIZERS: dict[str, Initializer] = {
    f.__name__: f
    for f in (
        *(zeros, ones, constant, identity, uniform, normal, truncated_normal, orthogonal),
        *(glorot_uniform, glorot_normal, he_uniform, he_normal, lecun_uniform, lecun_normal),
    )
}


def initializer(given: str | Initializer, **settings: float) -> Initializer:
    """The initializer of a name, with its settings, or the function itself.

    Examples
    --------
    >>> import deltarule as dr
    >>> dr.nn.initializer("constant", value=0.5)(dr.random.key(0), (2,))
    array([0.5, 0.5])
    """
    otherwise = "a function (key, shape) -> array"
    return named("initializer", INITIALIZERS, given, settings, otherwise, ShapeError)
