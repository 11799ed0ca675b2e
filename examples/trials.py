"""One network trained from many starts at once: how often does it learn, and how soon?

In: a network, patterns and targets, learning rate and momentum. Out: ``Trials``. All starts together
are one program: ``dr.scan`` over the sweeps, ``dr.vmap`` over the starts, ``dr.compile`` for both.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import optree

import deltarule as dr


@dataclass(frozen=True)
class Trials:
    """What came of each start.

    Attributes
    ----------
    params : nested dict
        Weights after the last sweep; the first axis of each array counts the starts.
    worst : array (starts, sweeps)
        The largest |output - target| of any pattern after each sweep.
    """

    params: Any
    worst: np.ndarray

    @property
    def learned(self) -> np.ndarray:
        """Which starts have every output on the right side of 1/2 at the end."""
        return self.worst[:, -1] < 0.5

    @property
    def sweeps(self) -> np.ndarray:
        """How many sweeps each start that learned took until every output was right."""
        return np.argmax(self.worst[self.learned] < 0.5, axis=1) + 1

    def of(self, start: int) -> Any:
        """The weights of one start."""
        return optree.tree_map(lambda w: w[start], self.params)

    def __str__(self) -> str:
        rate = f"{self.learned.sum():>2} of {len(self.learned)} starts learn it"
        if not self.learned.any():
            return rate
        n = self.sweeps
        return f"{rate}, after {np.median(n):.0f} sweeps ({n.min()} to {n.max()})"


def train(
    net: dr.Module,
    X: np.ndarray,
    T: np.ndarray,
    *,
    rate: float,
    momentum: float,
    sweeps: int,
    starts: int = 20,
    spread: float = 0.3,
    together: int = 1,
) -> Trials:
    """Train by the generalized delta rule, from weights drawn from U(-spread, spread) for each start.

    A sweep goes through the patterns in order; the weights change after every ``together`` of them.
    """
    net.init(X.shape, dtype="float64")
    rule = dr.SGD(rate, momentum)  # change <- -rate dE/dw + momentum * change before
    batches = [patterns.reshape(-1, together, patterns.shape[1]) for patterns in (X, T)]

    def error(p: Any, x: Any, t: Any) -> Any:
        return np.sum((net(x, params=p) - t) ** 2) / 2

    def step(carry: Any, patterns: Any) -> Any:
        p, changes = carry
        return rule.step(p, dr.grad(error)(p, *patterns), changes), None

    def sweep(carry: Any, _: None) -> Any:
        p, changes = dr.scan(step, carry, tuple(batches))[0]
        return (p, changes), np.max(np.abs(net(X, params=p) - T))

    def training(p: Any) -> Any:
        (p, _), worst = dr.scan(sweep, (p, rule.init(p)), length=sweeps)
        return p, worst

    first = [drawn(net.params, spread, seed) for seed in range(starts)]
    stacked = optree.tree_map(lambda *weights: np.stack(weights), *first)
    return Trials(*dr.compile(dr.vmap(training))(stacked))


def drawn(params: Any, spread: float, seed: int) -> Any:
    """New weights and biases in the place of all those of ``params``."""
    random = np.random.default_rng(seed)
    return optree.tree_map(lambda w: random.uniform(-spread, spread, w.shape), params)


def bits(n: int) -> np.ndarray:
    """All 2^n patterns of n bits, a row each."""
    return np.array(list(itertools.product([0.0, 1.0], repeat=n)))
