"""Rules that scale steps by the size of earlier gradients: Adagrad, Adadelta, RMSprop.

In: a weight, its gradient, what is kept for it. Out: the new weight, and what is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.optim.rule import Rule


@dataclass(frozen=True, slots=True)
class Adagrad(Rule):
    """Steps divided by the root of all squared gradients so far (Duchi, Hazan and Singer 2011).

    s <- s + g^2;  w <- w - lr g / (sqrt(s) + eps). Figures of ``torch.optim.Adagrad``.

    Parameters
    ----------
    learning_rate : float or schedule
        lr, the length of the first step in each weight.
    epsilon : float
        Keeps the division finite.
    weight_decay : float
        c of an L2 penalty c w^2 / 2: g <- g + c w.

    Raises
    ------
    DataError
        Where a setting is out of range.
    ShapeError
        In ``step``, where gradients do not fit the weights.

    Examples
    --------
    >>> import deltarule as dr
    >>> opt = dr.Adagrad(0.1)
    >>> w, s = 1.0, opt.init(1.0)
    >>> for _ in range(3):
    ...     w, s = opt.step(w, w, s)
    >>> round(float(w), 9)
    0.780456181
    """

    learning_rate: Any = 0.01
    epsilon: float = 1e-10
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        self._rate()
        self._positive("epsilon")
        self._at_least_zero("weight_decay")

    def _kept(self) -> tuple[str, ...]:
        return ("squares",)

    def _update(self, scalars: tuple[Any, ...], p: Any, g: Any, *kept: Any) -> tuple[Any, ...]:
        (rate,), (squares,) = scalars, kept
        squares = squares + g * g
        return p - rate * g / (np.sqrt(squares) + self.epsilon), squares


@dataclass(frozen=True, slots=True)
class Adadelta(Rule):
    """Steps in the unit of the weights, by running squares of gradients and steps (Zeiler 2012).

    s <- r s + (1 - r) g^2;  d = g sqrt(u + eps) / sqrt(s + eps);  u <- r u + (1 - r) d^2;
    w <- w - lr d. Figures of ``torch.optim.Adadelta``.

    Parameters
    ----------
    learning_rate : float or schedule
        lr; 1 in the paper.
    rho : float
        r in [0, 1), decay of both averages.
    epsilon : float
        Starts the first steps, and keeps the division finite.
    weight_decay : float
        c of an L2 penalty c w^2 / 2: g <- g + c w.

    Raises
    ------
    DataError
        Where a setting is out of range.
    ShapeError
        In ``step``, where gradients do not fit the weights.

    Examples
    --------
    >>> import deltarule as dr
    >>> opt = dr.Adadelta()
    >>> w, s = 1.0, opt.init(1.0)
    >>> for _ in range(3):
    ...     w, s = opt.step(w, w, s)
    >>> round(float(w), 9)
    0.990309083
    """

    learning_rate: Any = 1.0
    rho: float = 0.9
    epsilon: float = 1e-6
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        self._rate()
        self._fractions("rho")
        self._positive("epsilon")
        self._at_least_zero("weight_decay")

    def _kept(self) -> tuple[str, ...]:
        return ("squares", "steps")

    def _update(self, scalars: tuple[Any, ...], p: Any, g: Any, *kept: Any) -> tuple[Any, ...]:
        (rate,), (squares, steps) = scalars, kept
        r, eps = self.rho, self.epsilon
        squares = r * squares + (1 - r) * (g * g)
        step = g * np.sqrt(steps + eps) / np.sqrt(squares + eps)
        return p - rate * step, squares, r * steps + (1 - r) * (step * step)


@dataclass(frozen=True, slots=True)
class RMSprop(Rule):
    """Steps divided by a running root mean square of the gradient (Hinton 2012, lecture 6e).

    s <- r s + (1 - r) g^2;  d = g / (sqrt(s) + eps);  w <- w - lr d. Centered: a <- r a + (1 - r) g,
    and s - a^2 stands for s in d (Graves 2013). With momentum m: v <- m v + d, w <- w - lr v.
    Figures of ``torch.optim.RMSprop``.

    Parameters
    ----------
    learning_rate : float or schedule
        lr, about the length of a step in each weight.
    rho : float
        r in [0, 1), decay of the averages.
    epsilon : float
        Keeps the division finite.
    momentum : float
        m in [0, 1).
    centered : bool
        Divide by the deviation of the gradient from its running mean.
    weight_decay : float
        c of an L2 penalty c w^2 / 2: g <- g + c w.

    Raises
    ------
    DataError
        Where a setting is out of range.
    ShapeError
        In ``step``, where gradients do not fit the weights.

    Examples
    --------
    >>> import deltarule as dr
    >>> opt = dr.RMSprop(0.01)
    >>> w, s = 1.0, opt.init(1.0)
    >>> for _ in range(3):
    ...     w, s = opt.step(w, w, s)
    >>> round(float(w), 9)
    0.779982282
    """

    learning_rate: Any = 0.01
    rho: float = 0.99
    epsilon: float = 1e-8
    momentum: float = 0.0
    centered: bool = False
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        self._rate()
        self._fractions("rho", "momentum")
        self._positive("epsilon")
        self._at_least_zero("weight_decay")

    def _kept(self) -> tuple[str, ...]:
        mean = ("mean",) if self.centered else ()
        return ("squares", *mean, *(("velocity",) if self.momentum else ()))

    def _update(self, scalars: tuple[Any, ...], p: Any, g: Any, *kept: Any) -> tuple[Any, ...]:
        (rate,), r = scalars, self.rho
        found = dict(zip(self._kept(), kept, strict=True))
        found["squares"] = spread = r * found["squares"] + (1 - r) * (g * g)
        if self.centered:
            found["mean"] = mean = r * found["mean"] + (1 - r) * g
            spread = np.maximum(spread - mean * mean, 0.0)  # rounding may leave less than 0
        step = g / (np.sqrt(spread) + self.epsilon)
        if self.momentum:
            found["velocity"] = step = self.momentum * found["velocity"] + step
        return p - rate * step, *found.values()
