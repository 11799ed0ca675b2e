"""Activations: y = f(z), each with its formula and derivative.

In: weighted sums z. Out: outputs of the same shape. NumPy code, finite with finite derivatives at
every finite z. At a kink the derivative is the one that docs/decisions.md names.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from deltarule.derive.trace import label
from deltarule.errors import ShapeError
from deltarule.nn.named import named
from deltarule.program import ops
from deltarule.program.ops.reduce import expand

Function = Callable[[Any], Any]

SELU_ALPHA = 1.6732632423543772
SELU_SCALE = 1.0507009873554805
GELU_FLAT = 10.0  # beyond it tanh in the approximate GELU is -1 or 1 in every float type


def identity(x: Any) -> Any:
    """y = x; dy/dx = 1."""
    return x


def logistic(x: Any) -> Any:
    """y = 1 / (1 + e^-x); dy/dx = y (1 - y)."""
    return ops.sigmoid(x)


def tanh(x: Any) -> Any:
    """y = tanh x; dy/dx = 1 - y^2."""
    return ops.tanh(x)


def hard_tanh(x: Any) -> Any:
    """y = min(max(x, -1), 1); dy/dx = 1 where -1 <= x <= 1, else 0."""
    return np.clip(x, -1, 1)


def hard_sigmoid(x: Any) -> Any:
    """y = min(max(x / 6 + 1/2, 0), 1); dy/dx = 1/6 where -3 <= x <= 3, else 0."""
    return np.clip(x, -3, 3) / 6 + 0.5


def relu(x: Any) -> Any:
    """y = max(0, x); dy/dx = 1 where x > 0, else 0."""
    return ops.relu(x)


def leaky_relu(x: Any, slope: float = 0.01) -> Any:
    """y = x where x > 0, else slope x; dy/dx = 1 where x > 0, else slope (Maas and others 2013)."""
    return np.where(x > 0, x, slope * x)


def _below(x: Any) -> Any:
    """x where it is not positive, else 0: what an exponential may see."""
    return np.where(x > 0, 0, x)


def elu(x: Any, alpha: float = 1.0) -> Any:
    """y = x where x > 0, else a (e^x - 1); dy/dx = 1 where x > 0, else a e^x.

    a = 1 has no kink (Clevert and others 2016).
    """
    return np.where(x > 0, x, alpha * np.expm1(_below(x)))


def selu(x: Any) -> Any:
    """y = s x where x > 0, else s a (e^x - 1); dy/dx = s where x > 0, else s a e^x.

    s = 1.0507..., a = 1.6732...: with ``lecun_normal`` weights, outputs keep mean 0 and variance 1
    (Klambauer and others 2017).
    """
    return SELU_SCALE * elu(x, SELU_ALPHA)


def gelu(x: Any) -> Any:
    """y = x Phi(x) = x/2 (1 + erf(x / sqrt 2)); dy/dx = Phi(x) + x e^(-x^2 / 2) / sqrt(2 pi).

    Phi is the distribution function of the normal distribution (Hendrycks and Gimpel 2016). Beyond
    +-10 Phi is 0 or 1 in every float type.
    """
    return 0.5 * x * (1 + ops.erf(np.clip(x, -GELU_FLAT, GELU_FLAT) * 0.5**0.5))


def gelu_tanh(x: Any) -> Any:
    """y = x/2 (1 + t), t = tanh(u), u = sqrt(2/pi) (x + 0.044715 x^3), close to gelu.

    dy/dx = (1 + t)/2 + x/2 (1 - t^2) sqrt(2/pi) (1 + 0.134145 x^2).
    """
    near = np.clip(x, -GELU_FLAT, GELU_FLAT)
    return 0.5 * x * (1 + np.tanh((2 / np.pi) ** 0.5 * (near + 0.044715 * near * near * near)))


def silu(x: Any) -> Any:
    """y = x s, s = 1 / (1 + e^-x), also called swish; dy/dx = s + y (1 - s)."""
    return x * ops.sigmoid(x)


def softplus(x: Any) -> Any:
    """y = ln(1 + e^x); dy/dx = 1 / (1 + e^-x).

    Evaluated as max(x, 0) + ln(1 + e^-|x|), by a choice that has no kink at 0.
    """
    larger = x >= 0
    high, low = np.where(larger, x, 0), np.where(larger, 0, x)
    return high + np.log1p(np.exp(low - high))


def mish(x: Any) -> Any:
    """y = x t, t = tanh(ln(1 + e^x)); dy/dx = t + x (1 - t^2) / (1 + e^-x) (Misra 2019)."""
    return x * np.tanh(softplus(x))


def softsign(x: Any) -> Any:
    """y = x / (1 + |x|); dy/dx = 1 / (1 + |x|)^2."""
    return x / (1 + abs(x))


def softmax(x: Any) -> Any:
    """y_j = e^x_j / sum_k e^x_k along the last axis; dy_j/dx_k = y_j ([j = k] - y_k).

    For probabilities inside a network. The losses on classes take logits and have a softmax of
    their own: before them no softmax is needed.
    """
    axes = (_last(x),)
    powers = label("exp", ops.exp(x - _top(x)))
    total = ops.reshape(ops.sum(powers, axes=axes), shape=(*x.shape[:-1], 1))
    return powers / label("sum", total)


def log_softmax(x: Any) -> Any:
    """y_j = x_j - ln sum_k e^x_k along the last axis; dy_j/dx_k = [j = k] - e^y_k."""
    axes = (_last(x),)
    shifted = x - _top(x)
    return shifted - expand(ops.log(ops.sum(ops.exp(shifted), axes=axes)), x.shape, axes)


def _last(x: Any) -> int:
    if not x.shape:
        raise ShapeError("softmax takes rows of numbers; a single number was given")
    return len(x.shape) - 1


def _top(x: Any) -> Any:
    """The largest of each row, at each of its places; a shift that cancels, so no gradient."""
    axes = (len(x.shape) - 1,)
    return expand(ops.stop_gradient(ops.max(x, axes=axes)), x.shape, axes)


ACTIVATIONS: dict[str, Callable[..., Any]] = {
    f.__name__: f
    for f in (
        *(identity, logistic, tanh, hard_tanh, hard_sigmoid),
        *(relu, leaky_relu, elu, selu, gelu, gelu_tanh, silu, mish),
        *(softplus, softsign, softmax, log_softmax),
    )
}
ALIASES = {"sigmoid": "logistic", "linear": "identity", "swish": "silu"}


def activation_of(given: str | Function | None, **settings: float) -> Function:
    """The function of an activation's name, with its settings, or the function itself.

    Examples
    --------
    >>> import numpy as np, deltarule as dr
    >>> dr.nn.activation_of("leaky_relu", slope=0.1)(np.array([-1.0, 2.0]))
    array([-0.1,  2. ])
    """
    if given is None:
        return identity
    table = {**ACTIVATIONS, **{short: ACTIVATIONS[long] for short, long in ALIASES.items()}}
    return named("activation", table, given, settings, "a NumPy function", ShapeError)
