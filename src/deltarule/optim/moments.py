"""Rules of two running moments of the gradient: Adam, AdamW, NAdam, RAdam, LAMB.

In: a weight, its gradient, m and v kept for it. Out: the new weight, m and v. All share
m <- b1 m + (1 - b1) g and v <- b2 v + (1 - b2) g^2, which start at zero; t = 1, 2, ... counts steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from deltarule.optim.rule import Rule, check_number


class Moments(Rule):
    """The base of these rules."""

    __slots__ = ()
    _counts: ClassVar[bool] = True
    beta1: float
    beta2: float
    epsilon: float

    def _check(self) -> None:
        self._rate()
        self._positive("epsilon")
        self._fractions("beta1", "beta2")
        self._at_least_zero("weight_decay")

    def _kept(self) -> tuple[str, ...]:
        return ("m", "v")

    def _moments(self, g: Any, m: Any, v: Any) -> tuple[Any, Any]:
        """The moments with this gradient."""
        b1, b2 = self.beta1, self.beta2
        return b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * (g * g)

    def _remaining(self, counters: dict[str, Any]) -> tuple[Any, Any]:
        """1 - b1^t and 1 - b2^t, by which zeros at the start make moments too small."""
        t = counters["count"].astype(np.float64)
        return 1 - np.power(self.beta1, t), 1 - np.power(self.beta2, t)


@dataclass(frozen=True, slots=True)
class Adam(Moments):
    """Steps scaled by running moments of the gradient (Kingma and Ba 2015).

    m <- b1 m + (1 - b1) g;  v <- b2 v + (1 - b2) g^2;
    w <- w - lr (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps), t = 1, 2, ...

    AMSGrad divides by the largest v so far (Reddi, Kale and Kumar 2018). Figures of
    ``torch.optim.Adam``.

    Parameters
    ----------
    learning_rate : float or schedule
        lr, about the length of a step in each weight.
    beta1, beta2 : float
        Decay of the moments, in [0, 1).
    epsilon : float
        Keeps the division finite.
    amsgrad : bool
        Never let the divisor shrink.
    weight_decay : float
        c of an L2 penalty c w^2 / 2: g <- g + c w. ``dr.AdamW`` keeps decay out of the moments.

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

    learning_rate: Any = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    amsgrad: bool = False
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        self._check()

    def _kept(self) -> tuple[str, ...]:
        return ("m", "v", "largest") if self.amsgrad else ("m", "v")

    def _scalars(self, counters: dict[str, Any]) -> tuple[Any, ...]:
        scale1, scale2 = self._remaining(counters)
        return self._rate_at(counters) / scale1, np.sqrt(scale2)

    def _update(self, scalars: tuple[Any, ...], p: Any, g: Any, *kept: Any) -> tuple[Any, ...]:
        rate, root = scalars
        m, v = self._moments(g, *kept[:2])
        largest = tuple(np.maximum(old, v) for old in kept[2:])
        (spread,) = largest or (v,)
        return p - rate * m / (np.sqrt(spread) / root + self.epsilon), m, v, *largest


@dataclass(frozen=True, slots=True)
class AdamW(Moments):
    """Adam with decay of the weights apart from the moments (Loshchilov and Hutter 2019).

    w <- w - lr c w - lr (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps), with m and v of Adam. The
    decay follows a schedule of lr. Figures of ``torch.optim.AdamW``.

    Parameters
    ----------
    learning_rate : float or schedule
        lr, about the length of a step in each weight.
    beta1, beta2 : float
        Decay of the moments, in [0, 1).
    epsilon : float
        Keeps the division finite.
    weight_decay : float
        c; every weight shrinks by lr c of itself in a step.

    Raises
    ------
    DataError
        Where a setting is out of range.
    ShapeError
        In ``step``, where gradients do not fit the weights.

    Examples
    --------
    >>> import deltarule as dr
    >>> opt = dr.AdamW(0.1)
    >>> w, s = 1.0, opt.init(1.0)
    >>> for _ in range(3):
    ...     w, s = opt.step(w, w, s)
    >>> round(float(w), 9)
    0.698911185
    """

    learning_rate: Any = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 0.01
    _coupled: ClassVar[bool] = False

    def __post_init__(self) -> None:
        self._check()

    def _scalars(self, counters: dict[str, Any]) -> tuple[Any, ...]:
        scale1, scale2 = self._remaining(counters)
        rate = self._rate_at(counters)
        return rate / scale1, np.sqrt(scale2), rate * self.weight_decay

    def _update(self, scalars: tuple[Any, ...], p: Any, g: Any, *kept: Any) -> tuple[Any, ...]:
        rate, root, decay = scalars
        m, v = self._moments(g, *kept)
        return p - decay * p - rate * m / (np.sqrt(v) / root + self.epsilon), m, v


@dataclass(frozen=True, slots=True)
class NAdam(Moments):
    """Adam that looks ahead along its momentum, as Nesterov's method does (Dozat 2016).

    With a_t = b1 (1 - 0.96^(t d) / 2) and A_t = a_1 ... a_t:
    w <- w - lr ((1 - a_t) g / (1 - A_t) + a_(t+1) m / (1 - A_(t+1))) / (sqrt(v / (1 - b2^t)) + eps).
    Figures of ``torch.optim.NAdam``.

    Parameters
    ----------
    learning_rate : float or schedule
        lr, about the length of a step in each weight.
    beta1, beta2 : float
        Decay of the moments, in [0, 1).
    epsilon : float
        Keeps the division finite.
    momentum_decay : float
        d, how soon a_t comes to b1.
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
    >>> opt = dr.NAdam(0.1)
    >>> w, s = 1.0, opt.init(1.0)
    >>> for _ in range(3):
    ...     w, s = opt.step(w, w, s)
    >>> round(float(w), 9)
    0.752729268
    """

    learning_rate: Any = 2e-3
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    momentum_decay: float = 4e-3
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        self._check()
        self._at_least_zero("momentum_decay")

    def _share(self, count: Any) -> Any:
        """a_t."""
        t = count.astype(np.float64)
        return self.beta1 * (1 - 0.5 * np.power(0.96, t * self.momentum_decay))

    def _counters(self) -> dict[str, Any]:
        return {"count": np.int64(0), "product": np.float64(1.0)}

    def _advanced(self, state: Any) -> dict[str, Any]:
        count = state["count"] + 1
        return {"count": count, "product": state["product"] * self._share(count)}

    def _scalars(self, counters: dict[str, Any]) -> tuple[Any, ...]:
        rate, (_, scale2) = self._rate_at(counters), self._remaining(counters)
        count, product = counters["count"], counters["product"]
        now, after = self._share(count), self._share(count + 1)
        of_g, of_m = (1 - now) / (1 - product), after / (1 - product * after)
        return rate * of_g, rate * of_m, np.sqrt(scale2)

    def _update(self, scalars: tuple[Any, ...], p: Any, g: Any, *kept: Any) -> tuple[Any, ...]:
        of_g, of_m, root = scalars
        m, v = self._moments(g, *kept)
        return p - (of_g * g + of_m * m) / (np.sqrt(v) / root + self.epsilon), m, v


@dataclass(frozen=True, slots=True)
class RAdam(Moments):
    """Adam that trusts v only once enough gradients stand behind it (Liu and others 2020).

    With R = 2 / (1 - b2) - 1 and r = R - 2 t b2^t / (1 - b2^t): as long as r <= 5,
    w <- w - lr m / (1 - b1^t); then
    w <- w - lr q (m / (1 - b1^t)) / ((sqrt(v) + eps) / sqrt(1 - b2^t)), where
    q^2 = (r - 4) (r - 2) R / ((R - 4) (R - 2) r). Figures of ``torch.optim.RAdam``.

    Parameters
    ----------
    learning_rate : float or schedule
        lr, later about the length of a step in each weight.
    beta1 : float
        Decay of m, in [0, 1).
    beta2 : float
        Decay of v, in [2/3, 1): below that r never exceeds 5.
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
    >>> opt = dr.RAdam(0.1)
    >>> w, s = 1.0, opt.init(1.0)
    >>> for _ in range(3):
    ...     w, s = opt.step(w, w, s)
    >>> round(float(w), 9)
    0.715770052
    """

    learning_rate: Any = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        self._check()
        kind = "in [2/3, 1)"
        check_number(self, "beta2", 2 / 3, 1.0, kind, ": no step would be divided; give 0.999")

    def _scalars(self, counters: dict[str, Any]) -> tuple[Any, ...]:
        scale1, scale2 = self._remaining(counters)
        t, most = counters["count"].astype(np.float64), 2 / (1 - self.beta2) - 1
        found = most - 2 * t * np.power(self.beta2, t) / scale2
        r = np.maximum(found, 5.0)
        q = np.sqrt((r - 4) * (r - 2) * most / ((most - 4) * (most - 2) * r))
        return self._rate_at(counters) / scale1, q * np.sqrt(scale2), found > 5

    def _update(self, scalars: tuple[Any, ...], p: Any, g: Any, *kept: Any) -> tuple[Any, ...]:
        rate, factor, enough = scalars
        m, v = self._moments(g, *kept)
        divided = factor * m / (np.sqrt(v) + self.epsilon)
        return p - rate * np.where(enough, divided, m), m, v


@dataclass(frozen=True, slots=True)
class LAMB(Moments):
    """Adam's direction, scaled to the size of each array of weights (You and others 2020).

    u = (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps) + c w;  w <- w - lr (|w| / |u|) u, with norms
    over the whole array, and 1 for the quotient where one of them is 0. For large batches.

    Parameters
    ----------
    learning_rate : float or schedule
        lr, the relative length of a step.
    beta1, beta2 : float
        Decay of the moments, in [0, 1).
    epsilon : float
        Keeps the division finite.
    weight_decay : float
        c, not part of the moments.

    Raises
    ------
    DataError
        Where a setting is out of range.
    ShapeError
        In ``step``, where gradients do not fit the weights.

    Examples
    --------
    >>> import deltarule as dr
    >>> opt = dr.LAMB(0.1)
    >>> w, s = 1.0, opt.init(1.0)
    >>> for _ in range(3):
    ...     w, s = opt.step(w, w, s)
    >>> round(float(w), 9)
    0.729
    """

    learning_rate: Any = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-6
    weight_decay: float = 0.0
    _coupled: ClassVar[bool] = False

    def __post_init__(self) -> None:
        self._check()

    def _scalars(self, counters: dict[str, Any]) -> tuple[Any, ...]:
        scale1, scale2 = self._remaining(counters)
        return self._rate_at(counters), scale1, np.sqrt(scale2)

    def _update(self, scalars: tuple[Any, ...], p: Any, g: Any, *kept: Any) -> tuple[Any, ...]:
        rate, scale1, root = scalars
        m, v = self._moments(g, *kept)
        u = m / scale1 / (np.sqrt(v) / root + self.epsilon)
        if self.weight_decay:
            u = u + self.weight_decay * p
        size, length = np.sqrt(np.sum(p * p)), np.sqrt(np.sum(u * u))
        known = (size > 0) & (length > 0)
        trust = np.where(known, size, 1.0) / np.where(known, length, 1.0)
        return p - rate * trust * u, m, v
