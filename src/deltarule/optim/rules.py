"""Update rules: from weights and gradients to new weights. Pure functions in plain NumPy, traced and compiled like any other.

In: trees of weights, gradients and the rule's own state. Out: new weights, new state.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from deltarule.derive.tree import tree_map
from deltarule.errors import DataError

Tree = Any


def _zeros(params: Tree) -> Tree:
    return tree_map(lambda p: np.zeros(np.shape(p), _dtype(p)), params)


def _dtype(p: Any) -> Any:
    return p.dtype if hasattr(p, "dtype") else np.dtype(float)


def _positive(rule: Any, name: str) -> None:
    value = getattr(rule, name)
    if not (isinstance(value, (int, float)) and np.isfinite(value) and value > 0):
        raise DataError(f"{type(rule).__name__}: {name} must be a positive number, not {value!r}")


def _fraction(rule: Any, name: str) -> None:
    value = getattr(rule, name)
    if not (isinstance(value, (int, float)) and 0 <= value < 1):
        raise DataError(f"{type(rule).__name__}: {name} must lie in [0, 1), not {value!r}")


@dataclass(frozen=True, slots=True)
class SGD:
    """Gradient descent, w <- w - lr g, with momentum if asked for.

    With momentum m: v <- m v + g, w <- w - lr v. Nesterov: w <- w - lr (g + m v). (Rumelhart, Hinton and Williams 1986; the
    form of Sutskever and others 2013 as PyTorch has it: v starts at the first gradient.)

    Parameters
    ----------
    learning_rate : float
        lr, the length of a step.
    momentum : float
        m in [0, 1).
    nesterov : bool
        Look ahead along v.

    Examples
    --------
    >>> import deltarule as dr
    >>> opt = dr.SGD(0.1, momentum=0.9)
    >>> w, s = 1.0, opt.init(1.0)
    >>> for _ in range(3):
    ...     w, s = opt.step(w, w, s)  # the gradient of w^2 / 2 is w
    >>> round(float(w), 6)
    0.486
    """

    learning_rate: float = 0.01
    momentum: float = 0.0
    nesterov: bool = False

    def __post_init__(self) -> None:
        _positive(self, "learning_rate")
        _fraction(self, "momentum")
        if self.nesterov and not self.momentum:
            raise DataError(
                "SGD: nesterov looks ahead along the momentum, which is 0; give momentum=0.9, say"
            )

    def init(self, params: Tree) -> Tree:
        """The state before the first step."""
        return {"velocity": _zeros(params)} if self.momentum else {}

    def step(self, params: Tree, grads: Tree, state: Tree) -> tuple[Tree, Tree]:
        """New weights and state after one step."""
        lr, m = self.learning_rate, self.momentum
        if not m:
            return tree_map(lambda p, g: p - lr * g, params, grads), {}
        velocity = tree_map(lambda v, g: m * v + g, state["velocity"], grads)
        if self.nesterov:
            return tree_map(lambda p, g, v: p - lr * (g + m * v), params, grads, velocity), {
                "velocity": velocity
            }
        return tree_map(lambda p, v: p - lr * v, params, velocity), {"velocity": velocity}


@dataclass(frozen=True, slots=True)
class Adam:
    """Steps scaled by running moments of the gradient (Kingma and Ba 2015).

    m <- b1 m + (1 - b1) g;  v <- b2 v + (1 - b2) g^2;  w <- w - lr (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)

    Parameters
    ----------
    learning_rate : float
        lr.
    beta1, beta2 : float
        Decay of the moments, in [0, 1).
    epsilon : float
        Keeps the division finite.

    Examples
    --------
    >>> import deltarule as dr
    >>> opt = dr.Adam(0.1)
    >>> w, s = 1.0, opt.init(1.0)
    >>> for _ in range(3):
    ...     w, s = opt.step(w, w, s)
    >>> round(float(w), 9)
    0.701586275
    """

    learning_rate: float = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8

    def __post_init__(self) -> None:
        _positive(self, "learning_rate")
        _positive(self, "epsilon")
        _fraction(self, "beta1")
        _fraction(self, "beta2")

    def init(self, params: Tree) -> Tree:
        """The state before the first step: zero moments, and the number of steps."""
        return {"count": np.int64(0), "m": _zeros(params), "v": _zeros(params)}

    def step(self, params: Tree, grads: Tree, state: Tree) -> tuple[Tree, Tree]:
        """New weights and state after one step."""
        b1, b2 = self.beta1, self.beta2
        count = state["count"] + 1
        t = count.astype(np.float64)
        m = tree_map(lambda m, g: b1 * m + (1 - b1) * g, state["m"], grads)
        v = tree_map(lambda v, g: b2 * v + (1 - b2) * (g * g), state["v"], grads)
        scale1, scale2 = (1 - np.power(b, t) for b in (b1, b2))

        def update(p: Any, m: Any, v: Any) -> Any:
            dtype = _dtype(m)
            rate, root = (self.learning_rate / scale1).astype(dtype), np.sqrt(scale2).astype(dtype)
            return p - rate * m / (np.sqrt(v) / root + self.epsilon)

        return tree_map(update, params, m, v), {"count": count, "m": m, "v": v}


Optimizer = SGD | Adam
OPTIMIZERS = {"sgd": SGD, "adam": Adam}


def optimizer_of(given: Any) -> Any:
    """The rule of a name with its defaults, or the rule itself."""
    if isinstance(given, str):
        if given.lower() not in OPTIMIZERS:
            raise DataError(f"no optimizer is called {given!r}; known: {', '.join(OPTIMIZERS)}")
        return OPTIMIZERS[given.lower()]()
    if not (hasattr(given, "init") and hasattr(given, "step")):
        raise DataError(
            f"an optimizer has init(params) and step(params, grads, state); {given!r} has not"
        )
    return given


def settings(rule: Any) -> dict[str, Any]:
    """Name and settings of a rule, for a model file."""
    return {"name": type(rule).__name__, **{f.name: getattr(rule, f.name) for f in fields(rule)}}
