"""Update rules: from weights and gradients to new weights. Pure functions in plain NumPy.

In: trees of weights, gradients and the rule's own state. Out: new weights, new state. Called with
numbers they compute; called with traced values they are part of the compiled step.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from numbers import Real
from typing import Any

import numpy as np

from deltarule.derive.tree import flatten, paths, tree_map
from deltarule.errors import DataError, ShapeError

Tree = Any


def _dtype(p: Any) -> np.dtype[Any]:
    return p.dtype if hasattr(p, "dtype") else np.dtype(float)


def _shape(p: Any) -> tuple[int, ...]:
    return p.shape if hasattr(p, "shape") else np.shape(p)


def _zeros(params: Tree) -> Tree:
    return tree_map(lambda p: np.zeros(_shape(p), _dtype(p)), params)


class Rule:
    """What all rules have in common: settings that are numbers in a range, arguments that fit."""

    __slots__ = ()

    def _number(self, name: str, least: float, below: float, kind: str) -> None:
        """Keep a setting as a Python float, of no array's dtype; raise where out of range."""
        value = getattr(self, name)
        number = isinstance(value, Real) and not isinstance(value, (bool, np.bool_))
        if not number or not least <= value < below:
            raise DataError(f"{type(self).__name__}: {name} must be {kind}, not {value!r}")
        object.__setattr__(self, name, float(value))

    def _positive(self, name: str) -> None:
        self._number(name, np.nextafter(0.0, 1.0), np.inf, "a positive number")

    def _fraction(self, name: str) -> None:
        self._number(name, 0.0, 1.0, "in [0, 1)")

    def _fitting(self, params: Tree, grads: Tree, state: Tree, names: tuple[str, ...]) -> None:
        """Raise where gradients or state are not of the structure and shapes of the weights."""
        rule = type(self).__name__
        if not isinstance(state, dict) or set(state) != set(names):
            given = ", ".join(state) if isinstance(state, dict) else type(state).__name__
            raise DataError(
                f"{rule}.step takes a state of {', '.join(names) or 'no entries'}, as {rule}.init "
                f"gives; given is one of {given or 'no entries'}"
            )
        leaves, spec = flatten(params)
        others = {
            "the gradient": grads,
            **{f"state {name}": state[name] for name in names if name != "count"},
        }
        for word, tree in others.items():
            found, other = flatten(tree)
            if other != spec:
                raise ShapeError(f"{rule}.step: weights are nested as {spec}, {word} as {other}")
            for i, (p, g) in enumerate(zip(leaves, found, strict=True)):
                if _shape(p) != _shape(g):
                    raise ShapeError(
                        f"{rule}.step: weights{paths(spec)[i]} have shape {_shape(p)}, {word} has "
                        f"shape {_shape(g)}"
                    )


@dataclass(frozen=True, slots=True)
class SGD(Rule):
    """Gradient descent, w <- w - lr g, with momentum if asked for.

    With momentum m: v <- m v + g, w <- w - lr v. Nesterov: w <- w - lr (g + m v). v starts at zero,
    so that the first v is the first gradient. (Rumelhart, Hinton and Williams 1986; Sutskever and
    others 2013, in PyTorch's form.)

    Parameters
    ----------
    learning_rate : float
        lr, the length of a step.
    momentum : float
        m in [0, 1).
    nesterov : bool
        Look ahead along v.

    Raises
    ------
    DataError
        Where a setting is out of range.
    ShapeError
        In ``step``, where gradients do not fit the weights.

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
        self._positive("learning_rate")
        self._fraction("momentum")
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
        self._fitting(params, grads, state, ("velocity",) if m else ())
        if not m:
            return tree_map(lambda p, g: p - lr * g, params, grads), {}
        velocity = tree_map(lambda v, g: m * v + g, state["velocity"], grads)
        if self.nesterov:
            params = tree_map(lambda p, g, v: p - lr * (g + m * v), params, grads, velocity)
        else:
            params = tree_map(lambda p, v: p - lr * v, params, velocity)
        return params, {"velocity": velocity}


@dataclass(frozen=True, slots=True)
class Adam(Rule):
    """Steps scaled by running moments of the gradient (Kingma and Ba 2015).

    m <- b1 m + (1 - b1) g;  v <- b2 v + (1 - b2) g^2;
    w <- w - lr (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps), t = 1, 2, ...

    Parameters
    ----------
    learning_rate : float
        lr, about the length of a step in each weight.
    beta1, beta2 : float
        Decay of the moments, in [0, 1).
    epsilon : float
        Keeps the division finite.

    Raises
    ------
    DataError
        Where a setting is out of range.
    ShapeError
        In ``step``, where gradients do not fit the weights.

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
        self._positive("learning_rate")
        self._positive("epsilon")
        self._fraction("beta1")
        self._fraction("beta2")

    def init(self, params: Tree) -> Tree:
        """The state before the first step: zero moments, and the number of steps."""
        return {"count": np.int64(0), "m": _zeros(params), "v": _zeros(params)}

    def step(self, params: Tree, grads: Tree, state: Tree) -> tuple[Tree, Tree]:
        """New weights and state after one step."""
        self._fitting(params, grads, state, ("count", "m", "v"))
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
    if isinstance(given, type):
        raise DataError(f"the optimizer is a class; give an instance, {given.__name__}()")
    if not (callable(getattr(given, "init", None)) and callable(getattr(given, "step", None))):
        raise DataError(
            f"an optimizer has init(params) and step(params, grads, state); {given!r} has not"
        )
    return given


def settings(rule: Any) -> dict[str, Any]:
    """Name and settings of a rule, for a model file."""
    return {"name": type(rule).__name__, **{f.name: getattr(rule, f.name) for f in fields(rule)}}
