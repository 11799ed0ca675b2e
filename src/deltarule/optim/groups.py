"""A rule that treats some weights otherwise: with another learning rate, with less weight decay.

In: a rule, and factors for weights by path. Out: a rule that does to each weight what the given one would
do with its learning rate and weight decay times the weight's factors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import optree

from deltarule.derive.tree import flatten, unflatten
from deltarule.errors import DataError
from deltarule.nn.nested import Path, flat
from deltarule.optim.rule import Rule, Tree

Factors = tuple[float, float]  # of the learning rate, of the weight decay
PLAIN: Factors = (1.0, 1.0)
RATE_HELD = ("plateau", "rate")  # where a rate that moves between epochs stands in a rule's state


@dataclass(frozen=True, slots=True)
class Scaled:
    """A schedule times a number."""

    schedule: Any
    factor: float

    def __call__(self, step: Any) -> Any:
        """The rate of a step."""
        return self.factor * self.schedule(step)


@dataclass(frozen=True, slots=True)
class Groups:
    """A rule with factors for some of the weights.

    Each weight is updated as by ``rule`` with ``learning_rate`` and ``weight_decay`` times the weight's
    factors: what other libraries write as groups of parameters. Gradients are clipped before, all
    together.

    Parameters
    ----------
    rule : rule
        Of this package, perhaps in wrappers: ``dr.Clip(dr.Adam(), norm=1.0)``.
    factors : mapping
        Path of a weight -> factors of its learning rate and its weight decay.
    """

    rule: Any
    factors: Mapping[Path, Factors]

    def init(self, params: Tree) -> Tree:
        """The state of the rule."""
        return self._chosen(params, lambda factors: scaled(self.rule, factors).init(params))

    def step(self, params: Tree, grads: Tree, state: Tree) -> tuple[Tree, Tree]:
        """The rule's step, with each weight's own settings."""

        def stepped(factors: Factors) -> Any:
            kept = at_rate(state, factors[0])
            return scaled(self.rule, factors).step(params, grads, kept)

        done: tuple[Tree, Tree] = self._chosen(params, stepped)
        return done

    def _chosen(self, params: Tree, results: Callable[[Factors], Tree]) -> Tree:
        """What the rule gives, each weight's part of it from the rule with that weight's factors."""
        own = {".".join(path): self.factors.get(path, PLAIN) for path, _ in flat(params)}
        kinds = list(dict.fromkeys([PLAIN, *own.values()]))
        found = [flatten(results(factors)) for factors in kinds]
        spec = found[0][1]
        leaves = []
        for i, path in enumerate(optree.treespec_paths(spec)):
            ends = (".".join(map(str, path[n:])) for n in range(len(path)))
            factors = next((own[end] for end in ends if end in own), PLAIN)
            leaves.append(found[kinds.index(factors)][0][i])
        return unflatten(spec, leaves)


def at_rate(state: Tree, factor: float) -> Tree:
    """A rule's state; where that holds the learning rate, with the rate multiplied."""
    leaves, spec = flatten(state)
    held = [path[-2:] == RATE_HELD for path in optree.treespec_paths(spec)]
    if factor == 1 or not any(held):
        return state
    return unflatten(
        spec, [factor * x if is_rate else x for x, is_rate in zip(leaves, held, strict=True)]
    )


def scaled(rule: Any, factors: Factors) -> Any:
    """A rule, or the rule in its wrappers, with another learning rate and weight decay."""
    if factors == PLAIN:
        return rule
    copy: Any = object.__new__(type(rule))
    for item in fields(rule):
        object.__setattr__(copy, item.name, _scaled(item.name, getattr(rule, item.name), factors))
    return copy


def is_rule(x: Any) -> bool:
    """Whether a setting is a rule inside a rule."""
    return is_dataclass(x) and hasattr(x, "init") and hasattr(x, "step")


def _scaled(name: str, value: Any, factors: Factors) -> Any:
    rate, decay = factors
    if is_rule(value):
        return scaled(value, factors)
    if name == "learning_rate" and rate != 1:
        held = is_dataclass(value) and not callable(value)  # it stands in the state, see at_rate
        return value if held else Scaled(value, rate) if callable(value) else rate * value
    if name == "weight_decay" and decay != 1:
        return decay * value
    return value


def grouped(rule: Any, factors: Mapping[Path, Factors]) -> Any:
    """The rule with factors for weights; the rule itself where they change nothing.

    Raises
    ------
    DataError
        Where the rule is of another kind, of which no learning rate or decay is known, or moves all
        weights along one line.
    """
    changed = {path: own for path, own in factors.items() if own != PLAIN}
    if not changed:
        return rule
    inner = rule
    while is_dataclass(inner) and not isinstance(inner, Rule) and hasattr(inner, "rule"):
        inner = inner.rule
    if not isinstance(inner, Rule) or hasattr(inner, "descend"):
        path = ".".join(next(iter(changed)))
        raise DataError(
            f"{path} has a learning rate or weight decay of its own, and {inner!r} has no settings "
            "to change for one weight; take a rule of deltarule, such as dr.Adam(), or set "
            "net.tune(rate=1, decay=1)"
        )
    return Groups(rule, changed)
