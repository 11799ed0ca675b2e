"""Data, networks and the training loop by hand, for the tests of training."""

from __future__ import annotations

import numpy as np

import deltarule as dr
from deltarule.derive.tree import flatten
from deltarule.nn import loss_of
from deltarule.program import random
from deltarule.train import epoch, pace

rng = np.random.default_rng(0)
X = rng.normal(size=(37, 3))
Y = np.sin(X @ [1.0, -2.0, 0.5])
LABELS = (X @ [1.0, 1.0, -1.0] > 0).astype(int) + (X[:, 0] > 0.8)


BACKENDS = ["native", "interpreted"]


def choose(backend, monkeypatch):
    """Compile every training, however small, or none."""
    monkeypatch.setattr(epoch, "COMPILE_SECONDS", 0.0 if backend == "native" else np.inf)


def cut(steps, monkeypatch):
    """Native code does so many steps at a time, however fast they are."""
    fixed = property(lambda self: steps, lambda self, n: None)
    monkeypatch.setattr(pace.Pace, "steps", fixed, raising=False)


def mlp(*more, dtype="float64", outputs=1, seed=0):
    net = dr.Sequential(dr.Dense(5, "tanh"), *more, dr.Dense(outputs))
    return net.init((1, 3), seed=seed, dtype=dtype)


def leaves(net):
    return flatten((net.params, net.state))[0]


def assert_same_bits(a, b):
    for x, y in zip(leaves(a), leaves(b), strict=True):
        assert x.dtype == y.dtype
        np.testing.assert_array_equal(x, y)


def assert_close(a, b, **tolerance):
    for x, y in zip(leaves(a), leaves(b), strict=True):
        np.testing.assert_allclose(x, y, **tolerance)


class Statistics(dr.Module):
    """A network with dropout, running statistics and a loop over the features."""

    def __init__(self):
        self.cell = dr.Dense(4, "tanh")
        self.drop = dr.Dropout(0.2)
        self.head = dr.Dense(1)
        self.mean = dr.State(np.zeros(4))
        self.steps = dr.State(0)

    def __call__(self, x):
        start = np.zeros((x.shape[0], 4), x.dtype)

        def step(h, column):
            h = self.cell(np.concatenate([h, column[:, None]], axis=1))
            return h, h.sum()

        h, _ = dr.scan(step, start, x.T)
        if self.training:
            self.mean = 0.9 * self.mean + 0.1 * h.mean(axis=0)
            self.steps = self.steps + 1
        return self.head(self.drop(h - self.mean))


def statistics(seed=0, dtype="float64"):
    return Statistics().init((2, 3), seed=seed, dtype=dtype)


def by_hand(net, x, y, loss, rule, epochs, batch, seed, shuffle=True):
    """The loop of the texts, and the mean loss of each epoch."""
    params, state, opt_state = net.params, net.state, rule.init(net.params)
    key = random.fold_in(random.key(seed), random.site("training"))
    step, history = 0, []
    for number in range(epochs):
        order = random.permutation(seed, number, len(x)) if shuffle else np.arange(len(x))
        total = 0.0
        for i in range(0, len(x), batch):
            rows = order[i : i + batch]

            def objective(p, rows=rows, state=state, step=step):
                out, new = net.apply(p, state, x[rows], train=True, key=key, step=np.int64(step))
                return loss_of(loss)(out, y[rows]), new

            (value, state), gradient = dr.value_and_grad(objective, has_aux=True)(params)
            params, opt_state = rule.step(params, gradient, opt_state)
            total += float(value) * len(rows)
            step += 1
        history.append(total / len(x))
    net.params, net.state = params, state
    return history
