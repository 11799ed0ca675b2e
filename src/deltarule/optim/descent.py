"""Rules whose steps follow the gradient or its sign: SGD, Lion, Rprop.

In: a weight, its gradient, what is kept for it. Out: the new weight, and what is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from deltarule.derive.tree import tree_map
from deltarule.errors import DataError
from deltarule.optim.rule import POSITIVE, Rule, Tree, check_number, dtype_of, shape_of


@dataclass(frozen=True, slots=True)
class SGD(Rule):
    """Gradient descent, w <- w - lr g, with momentum if asked for.

    With momentum m: v <- m v + g, w <- w - lr v. Nesterov: w <- w - lr (g + m v). v starts at zero,
    so that the first v is the first gradient. (Rumelhart, Hinton and Williams 1986; Sutskever and
    others 2013, in PyTorch's form, ``torch.optim.SGD``.)

    Parameters
    ----------
    learning_rate : float or schedule
        lr, the length of a step.
    momentum : float
        m in [0, 1).
    nesterov : bool
        Look ahead along v.
    weight_decay : float
        c of an L2 penalty c w^2 / 2 on every weight: g <- g + c w.

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

    learning_rate: Any = 0.01
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        self._rate()
        self._fractions("momentum")
        self._at_least_zero("weight_decay")
        if self.nesterov and not self.momentum:
            raise DataError(
                "SGD: nesterov looks ahead along the momentum, which is 0; give momentum=0.9, say"
            )

    def _kept(self) -> tuple[str, ...]:
        return ("velocity",) if self.momentum else ()

    def _update(self, scalars: tuple[Any, ...], p: Any, g: Any, *kept: Any) -> tuple[Any, ...]:
        (rate,) = scalars
        if not kept:
            return (p - rate * g,)
        velocity = self.momentum * kept[0] + g
        direction = g + self.momentum * velocity if self.nesterov else velocity
        return p - rate * direction, velocity


@dataclass(frozen=True, slots=True)
class Lion(Rule):
    """Steps of one length along the sign of a momentum (Chen and others 2023, algorithm 2).

    w <- w - lr (sign(b1 m + (1 - b1) g) + c w);  m <- b2 m + (1 - b2) g.

    Parameters
    ----------
    learning_rate : float or schedule
        lr; a third to a tenth of what AdamW takes.
    beta1, beta2 : float
        Shares of the momentum in the step and in the next momentum, in [0, 1).
    weight_decay : float
        c, decoupled: not part of m; three to ten times that of AdamW.

    Raises
    ------
    DataError
        Where a setting is out of range.
    ShapeError
        In ``step``, where gradients do not fit the weights.

    Examples
    --------
    >>> import deltarule as dr
    >>> opt = dr.Lion(0.1)
    >>> w, s = 1.0, opt.init(1.0)
    >>> for _ in range(3):
    ...     w, s = opt.step(w, w, s)
    >>> round(float(w), 9)
    0.7
    """

    learning_rate: Any = 1e-4
    beta1: float = 0.9
    beta2: float = 0.99
    weight_decay: float = 0.0
    _coupled: ClassVar[bool] = False

    def __post_init__(self) -> None:
        self._rate()
        self._fractions("beta1", "beta2")
        self._at_least_zero("weight_decay")

    def _kept(self) -> tuple[str, ...]:
        return ("m",)

    def _update(self, scalars: tuple[Any, ...], p: Any, g: Any, *kept: Any) -> tuple[Any, ...]:
        (rate,), (m,) = scalars, kept
        b1, b2 = self.beta1, self.beta2
        direction = np.sign(b1 * m + (1 - b1) * g)
        if self.weight_decay:
            direction = direction + self.weight_decay * p
        return p - rate * direction, b2 * m + (1 - b2) * g


@dataclass(frozen=True, slots=True)
class Rprop(Rule):
    """A step size for each weight, from the signs of gradients alone; for full batches.

    Where the gradient keeps its sign, s <- min(grow s, largest), w <- w - s sign(g). Where it turns,
    s <- max(shrink s, smallest), w stays, and the next step counts g as 0. (Riedmiller and Braun
    1993, without going back, as Igel and Hüsken 2003 and ``torch.optim.Rprop`` have it.) Batches
    that differ turn signs by chance: give ``dr.fit`` batch_size=len(X).

    Parameters
    ----------
    learning_rate : float
        The first s of each weight; no schedule, since s is found from then on.
    shrink, grow : float
        Factors in (0, 1), and 1 or more.
    smallest, largest : float
        Bounds of s.

    Raises
    ------
    DataError
        Where a setting is out of range.
    ShapeError
        In ``step``, where gradients do not fit the weights.

    Examples
    --------
    >>> import deltarule as dr
    >>> opt = dr.Rprop(0.1)
    >>> w, s = 1.0, opt.init(1.0)
    >>> for _ in range(3):
    ...     w, s = opt.step(w, w, s)
    >>> round(float(w), 9)
    0.636
    """

    learning_rate: float = 0.01
    shrink: float = 0.5
    grow: float = 1.2
    smallest: float = 1e-6
    largest: float = 50.0

    def __post_init__(self) -> None:
        self._positive("learning_rate", "smallest", "largest")
        check_number(self, "shrink", POSITIVE, 1.0, "in (0, 1)")
        check_number(self, "grow", 1.0, np.inf, "1 or more")
        if self.smallest > self.largest:
            raise DataError(
                f"Rprop: smallest must be at most largest, not {self.smallest!r} > {self.largest!r}"
            )

    def init(self, params: Tree) -> Tree:
        """The state before the first step: no gradient, and the first step sizes."""

        def size(p: Any) -> Any:
            return np.full(shape_of(p), self.learning_rate, dtype_of(p))

        return {**Rule.init(self, params), "size": tree_map(size, params)}

    def _kept(self) -> tuple[str, ...]:
        return ("previous", "size")

    def _update(self, scalars: tuple[Any, ...], p: Any, g: Any, *kept: Any) -> tuple[Any, ...]:
        previous, size = kept
        agree = np.sign(g) * np.sign(previous)
        grown = np.where(agree > 0, size * self.grow, size)
        found = np.where(agree < 0, size * self.shrink, grown)
        size = np.minimum(np.maximum(found, self.smallest), self.largest)
        g = np.where(agree < 0, g * 0.0, g)
        return p - np.sign(g) * size, g, size
