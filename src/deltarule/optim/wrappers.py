"""Rules around a rule: clipped gradients, gradients of several batches, averaged weights.

In: any rule with ``init`` and ``step``. Out: a rule that does the same to other gradients, or keeps
more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import optree

from deltarule.derive.tree import flatten, tree_map, unflatten
from deltarule.errors import DataError
from deltarule.optim.rule import (
    POSITIVE,
    Tree,
    check_fitting,
    check_number,
    check_rule,
    check_state,
    converted,
    dtype_of,
    zeros,
)


@dataclass(frozen=True, slots=True)
class Clip:
    """A rule whose gradients are cut to a size; give one of three limits, or nest clips.

    value c: g <- min(max(g, -c), c) in each weight. norm c: g <- g c / max(|g|, c), |g| over all
    weights (Pascanu, Mikolov and Bengio 2013). layer_norm c: the same with |g| over each layer, that
    is the arrays that stand beside each other in the tree, as a layer's weight and bias do.

    Parameters
    ----------
    rule : rule
        What takes the gradients.
    value, norm, layer_norm : float, optional
        The limit.

    Raises
    ------
    DataError
        Where none or several limits are given, or one is not positive.

    Examples
    --------
    >>> import numpy as np, deltarule as dr
    >>> opt = dr.Clip(dr.SGD(1.0), norm=5.0)
    >>> w, s = opt.step(np.zeros(2), np.array([6.0, 8.0]), opt.init(np.zeros(2)))
    >>> w.tolist()
    [-3.0, -4.0]
    """

    rule: Any
    value: float | None = None
    norm: float | None = None
    layer_norm: float | None = None

    def __post_init__(self) -> None:
        check_rule(self)
        limits = ("value", "norm", "layer_norm")
        given = [name for name in limits if getattr(self, name) is not None]
        if len(given) != 1:
            raise DataError(
                f"Clip takes one of value, norm, layer_norm, not {' and '.join(given) or 'none'}; "
                "for two limits nest: dr.Clip(dr.Clip(rule, norm=1.0), value=0.1)"
            )
        check_number(self, given[0], POSITIVE, np.inf, "a positive number")

    def init(self, params: Tree) -> Tree:
        """The state of the rule."""
        return self.rule.init(params)

    def step(self, params: Tree, grads: Tree, state: Tree) -> tuple[Tree, Tree]:
        """The rule's step with clipped gradients."""
        return self.rule.step(params, self._clipped(grads), state)  # type: ignore[no-any-return]

    def _clipped(self, grads: Tree) -> Tree:
        c = self.value
        if c is not None:
            return tree_map(lambda g: np.minimum(np.maximum(g, -c), c), grads)
        leaves, spec = flatten(grads)
        if self.norm is not None:
            return unflatten(spec, _shortened(leaves, self.norm))
        parents = [tuple(accessor)[:-1] for accessor in optree.treespec_accessors(spec)]
        out = list(leaves)
        for parent in dict.fromkeys(parents):
            places = [i for i, other in enumerate(parents) if other == parent]
            done = _shortened([leaves[i] for i in places], self.layer_norm)
            for i, g in zip(places, done, strict=True):
                out[i] = g
        return unflatten(spec, out)


def _shortened(grads: list[Any], limit: Any) -> list[Any]:
    """Gradients of a norm, taken together in float64, of at most ``limit``."""
    wide = [converted(g, np.float64) for g in grads]
    norm = np.sqrt(sum(np.sum(g * g) for g in wide))
    factor = limit / np.maximum(norm, limit)
    return [g * converted(factor, dtype_of(g)) for g in grads]


@dataclass(frozen=True, slots=True)
class Averaged:
    """A rule that also keeps an exponential moving average of the weights.

    a <- d a + (1 - d) w after each step; a starts at the first weights (Polyak and Juditsky 1992
    with the average of Tarvainen and Valpola 2017). The weights themselves are trained as without.

    Parameters
    ----------
    rule : rule
        What trains the weights.
    decay : float
        d in [0, 1); the average reaches back about 1 / (1 - d) steps.

    Raises
    ------
    DataError
        Where a setting is out of range, or the rule keeps an average already.

    Examples
    --------
    >>> import numpy as np, deltarule as dr
    >>> net = dr.Sequential(dr.Dense(1))
    >>> X, y = np.array([[0.0], [1.0], [2.0]]), np.array([1.0, 3.0, 5.0])
    >>> opt = dr.Averaged(dr.SGD(0.1), decay=0.9)
    >>> run = dr.fit(net, X, y, optimizer=opt, epochs=200, seed=0)
    >>> net.params = run.carry.opt_state["average"]
    >>> net(X)[:, 0].round(2).tolist()
    [1.0, 3.0, 5.0]
    """

    rule: Any
    decay: float = 0.999

    def __post_init__(self) -> None:
        check_rule(self)
        check_number(self, "decay", 0.0, 1.0, "in [0, 1)")

    def init(self, params: Tree) -> Tree:
        """The state of the rule, and beside it the average."""
        state = self.rule.init(params)
        if not isinstance(state, dict) or "average" in state:
            raise DataError(
                f"Averaged: the state of {self.rule!r} must be a dict without an average of its own"
            )
        return {**state, "average": tree_map(np.array, params)}

    def step(self, params: Tree, grads: Tree, state: Tree) -> tuple[Tree, Tree]:
        """The rule's step, and the average with its result."""
        if not isinstance(state, dict) or "average" not in state:
            check_state(self, state, ("average", "and what the rule keeps"))
        d = self.decay
        inner = {name: tree for name, tree in state.items() if name != "average"}
        params, inner = self.rule.step(params, grads, inner)
        average = tree_map(lambda a, w: d * a + (1 - d) * w, state["average"], params)
        return params, {**inner, "average": average}


@dataclass(frozen=True, slots=True)
class Accumulate:
    """A rule that takes one step with the mean gradient of several batches.

    g <- (g_1 + ... + g_k) / k, then the rule's step; the weights stay between. k batches of n rows
    do what one of k n rows does, to rounding, in the memory of n. Schedules of the rule count its own
    steps, one in k batches. An epoch that ends within the k is no end for them: the sum is carried
    over to the next epoch, and by ``resume`` to the next run; a last batch that is smaller counts as
    a whole one.

    Parameters
    ----------
    rule : rule
        What takes the mean gradient.
    steps : int
        k, 1 or more.

    Raises
    ------
    DataError
        Where steps is no such number, or the rule accumulates already.

    Examples
    --------
    >>> import deltarule as dr
    >>> opt = dr.Accumulate(dr.SGD(0.1), steps=2)
    >>> w, s = 1.0, opt.init(1.0)
    >>> w, s = opt.step(w, 1.0, s)
    >>> float(w)
    1.0
    >>> w, s = opt.step(w, 3.0, s)  # with the mean, 2
    >>> float(w)
    0.8
    """

    rule: Any
    steps: int = 4

    def __post_init__(self) -> None:
        check_rule(self)
        whole = isinstance(self.steps, (int, np.integer)) and not isinstance(self.steps, bool)
        if not whole or self.steps < 1:
            raise DataError(
                f"Accumulate: steps is a number of batches, 1 or more, not {self.steps!r}"
            )
        object.__setattr__(self, "steps", int(self.steps))

    def init(self, params: Tree) -> Tree:
        """The state of the rule, and beside it the sum of gradients and how many are in it."""
        state = self.rule.init(params)
        if not isinstance(state, dict) or "gradient" in state:
            raise DataError(
                f"Accumulate: the state of {self.rule!r} must be a dict without a gradient of its "
                "own; to accumulate more give more steps"
            )
        return {**state, "gathered": np.int64(0), "gradient": zeros(params)}

    def step(self, params: Tree, grads: Tree, state: Tree) -> tuple[Tree, Tree]:
        """Add the gradients; with the last of them the rule's step."""
        if not isinstance(state, dict) or not {"gathered", "gradient"} <= set(state):
            check_state(self, state, ("gathered", "gradient", "and what the rule keeps"))
        check_fitting(self, params, {"the gradient": grads})
        inner = {k: v for k, v in state.items() if k not in ("gathered", "gradient")}
        total = tree_map(lambda s, g: s + g, state["gradient"], grads)
        count = state["gathered"] + 1
        last = count == self.steps
        mean = tree_map(lambda s: s / self.steps, total)
        after = self.rule.step(params, mean, inner)
        params, inner = tree_map(lambda new, old: np.where(last, new, old), after, (params, inner))
        return params, {
            **inner,
            "gathered": np.where(last, 0, count),
            "gradient": tree_map(lambda s: np.where(last, 0.0, s), total),
        }
