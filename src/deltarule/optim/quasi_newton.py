"""A rule that evaluates the loss itself: L-BFGS with a line search.

In: a function of the weights, the weights, what is remembered of earlier steps. Out: the weights at a
better point along a direction that takes the curvature into account.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from deltarule.derive.control import cond, scan
from deltarule.derive.differentiate import value_and_grad
from deltarule.derive.tree import flatten, unflatten
from deltarule.errors import DataError
from deltarule.optim.line import Point, line_search
from deltarule.optim.rule import Rule, Tree, check_state, converted, dtype_of, shape_of

LEAST = 1e-10  # curvature y s from which on a step is remembered
KEPT = ("value", "gradient", "point", "steps", "changes", "inverses", "scale")


@dataclass(frozen=True, slots=True)
class LBFGS(Rule):
    """Quasi-Newton steps of limited memory, with a line search of strong Wolfe (Nocedal 1980).

    d = -H g, where H is built from the last steps s and changes of the gradient y by the two loops of
    Nocedal and Wright (2006, algorithm 7.4), from H0 = (y s / y y) I; w <- w + t d, where t fulfils
    E(w + t d) <= E(w) + 1e-4 t g d and |g(w + t d) d| <= 0.9 |g d| (algorithms 3.5 and 3.6, with
    cubic interpolation). Steps and figures of ``torch.optim.LBFGS`` with line_search_fn="strong_wolfe".

    One step in ``dr.fit`` is one iteration, its line search included, on all rows: give batch_size=None.
    It evaluates the loss once, or a few times where the first t does not do. The loss must be the same
    function at every evaluation: a network with dropout is refused. Where nothing better is found along d
    the weights stay, and the memory begins anew.

    Parameters
    ----------
    learning_rate : float or schedule
        The first t that is tried; in the first step divided by the sum of the gradient's sizes, if that
        is more than 1.
    memory : int
        How many steps are remembered; two numbers for each weight and step.
    evaluations : int
        About the most of one line search.

    Raises
    ------
    DataError
        Where a setting is out of range, and in ``step``: gradients alone are not enough.

    Examples
    --------
    >>> import numpy as np, deltarule as dr
    >>> def valley(w):
    ...     return 100 * (w[1] - w[0] ** 2) ** 2 + (1 - w[0]) ** 2
    >>> opt, w = dr.LBFGS(), np.array([-1.2, 1.0])
    >>> s = opt.init(w)
    >>> for _ in range(40):
    ...     w, s, value = opt.descend(valley, w, s)
    >>> w.round(6).tolist()
    [1.0, 1.0]
    """

    learning_rate: Any = 1.0
    memory: int = 10
    evaluations: int = 25
    _counts: ClassVar[bool] = True

    def __post_init__(self) -> None:
        Rule.__post_init__(self)
        for name in ("memory", "evaluations"):
            value = getattr(self, name)
            whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
            if not whole or value < 1:
                raise DataError(f"LBFGS: {name} is a number, 1 or more, not {value!r}")
            object.__setattr__(self, name, int(value))

    def init(self, params: Tree) -> Tree:
        """The state before the first step: nothing is remembered."""
        leaves, _ = flatten(params)
        dtype = np.result_type(*(dtype_of(p) for p in leaves))
        n = sum(int(np.prod(shape_of(p))) for p in leaves)
        return {
            **self._begin(),
            "since": np.int64(0),  # steps since the memory began
            "value": dtype.type(0),
            "gradient": np.zeros(n, dtype),
            "point": np.zeros(n, dtype),
            "steps": np.zeros((self.memory, n), dtype),
            "changes": np.zeros((self.memory, n), dtype),
            "inverses": np.zeros(self.memory, dtype),  # 1 / y s; 0 where nothing is remembered
            "scale": dtype.type(1),
        }

    def step(self, params: Tree, grads: Tree, state: Tree) -> tuple[Tree, Tree]:
        """Refuse: the line search needs the loss."""
        raise DataError(
            "LBFGS searches along a line, for which gradients are not enough: use dr.fit with "
            "batch_size=None, or params, state, value = opt.descend(f, params, state) by hand"
        )

    def descend(
        self, f: Callable[[Tree], Any], params: Tree, state: Tree, aux: Tree = None
    ) -> tuple[Any, ...]:
        """One iteration for the function ``f`` of the weights, whose derivative is taken here.

        Parameters
        ----------
        f : callable
            Weights -> a number; the same function at every call with this state.
        params, state : trees
            Weights, and what ``init`` or the iteration before gave.
        aux : tree, optional
            Where ``f`` gives (number, more), such a value to start from.

        Returns
        -------
        params, state : trees
            The new ones.
        value : number
            f at the weights given.
        aux : tree
            Where one was given: that of ``f`` at the new weights.
        """
        check_state(self, state, (*self._begin(), "since", *KEPT))
        counters = self._next(state)
        leaves, spec = flatten(params)
        dtype = state["point"].dtype
        x = _joined(leaves, dtype)

        def evaluate(x: Any) -> tuple[Any, Any, Tree]:
            def given(tree: Tree) -> Any:
                return f(tree) if aux is not None else (f(tree), ())

            tree = unflatten(spec, _parts(x, leaves))
            (value, more), grads = value_and_grad(given, has_aux=True)(tree)
            return converted(_array(value), dtype), _joined(flatten(grads)[0], dtype), more

        known = (state["count"] > 0) & np.all(state["point"] == x)
        value, gradient = cond(
            known,
            lambda x, value, gradient: (value, gradient),
            lambda x, value, gradient: evaluate(x)[:2],
            *(x, state["value"], state["gradient"]),
        )
        direction = -_times_inverse(gradient, state)
        slope = np.sum(gradient * direction)
        start = Point(dtype.type(0), value, slope, gradient, () if aux is None else aux)
        found = line_search(
            lambda t: evaluate(x + t * direction),
            start,
            direction,
            self._first_length(gradient, counters, state),
            self.evaluations,
        )
        after = x + found.t * direction
        new = self._remembered(state, found, gradient, direction, after)
        done = unflatten(spec, _parts(after, leaves))
        return (done, new, value) if aux is None else (done, new, value, found.aux)

    def forgetting(self, state: Tree) -> Tree:
        """The state for another function: loss and gradient of the last weights hold no more."""
        return {**state, "point": np.full_like(state["point"], np.nan)}

    def _first_length(self, gradient: Any, counters: dict[str, Any], state: Tree) -> Any:
        rate = converted(_array(self._rate_at(counters)), gradient.dtype)
        total = np.maximum(np.sum(np.abs(gradient)), 1.0)
        return np.where(state["since"] == 0, rate / total, rate)

    def _remembered(
        self, state: Tree, found: Point, gradient: Any, direction: Any, after: Any
    ) -> Tree:
        """The state after a step; without memory where it did not move."""
        s, y = found.t * direction, found.gradient - gradient
        curvature = np.sum(s * y)
        moved, good = found.t > 0, curvature > LEAST
        safe = np.where(good, curvature, 1.0)
        scale = np.where(good, curvature / np.where(good, np.sum(y * y), 1.0), state["scale"])
        inverses = _pushed(good, state["inverses"], 1.0 / safe)
        return {
            **self._next(state),
            "since": np.where(moved, state["since"] + 1, 0),
            "value": found.value,
            "gradient": found.gradient,
            "point": after,
            "steps": _pushed(good, state["steps"], s),
            "changes": _pushed(good, state["changes"], y),
            "inverses": np.where(moved, inverses, 0.0),
            "scale": np.where(moved, scale, 1.0),
        }


def _times_inverse(gradient: Any, state: Tree) -> Any:
    """H g, by a loop from the last step to the first and one back."""

    def last_to_first(q: Any, row: Any) -> tuple[Any, Any]:
        s, y, inverse = row
        share = inverse * np.sum(s * q)
        return q - share * y, share

    def first_to_last(r: Any, row: Any) -> tuple[Any, Any]:
        s, y, inverse, share = row
        return r + s * (share - inverse * np.sum(y * r)), ()

    rows = state["steps"], state["changes"], state["inverses"]
    q, shares = scan(last_to_first, gradient, rows, reverse=True)
    return scan(first_to_last, state["scale"] * q, (*rows, shares))[0]


def _pushed(good: Any, rows: Any, row: Any) -> Any:
    """Rows without the first, and a new one after the last; as they were where it is not good."""
    new = np.concatenate([rows[1:], np.reshape(row, (1, *rows.shape[1:]))])
    return np.where(good, new, rows)


def _array(x: Any) -> Any:
    """A Python number as an array."""
    return x if hasattr(x, "dtype") else np.asarray(x)[()]


def _joined(leaves: list[Any], dtype: Any) -> Any:
    """All weights as one vector."""
    return np.concatenate([np.reshape(converted(_array(p), dtype), -1) for p in leaves])


def _parts(x: Any, leaves: list[Any]) -> list[Any]:
    """The vector as arrays of the shapes and dtypes of the weights."""
    found, start = [], 0
    for p in leaves:
        shape = shape_of(p)
        stop = start + int(np.prod(shape))
        found.append(converted(np.reshape(x[start:stop], shape), dtype_of(p)))
        start = stop
    return found
