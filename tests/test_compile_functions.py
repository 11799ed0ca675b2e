"""Derivatives of networks, loops and random numbers: compiled, they equal plain NumPy."""

from __future__ import annotations

import numpy as np
import pytest

import deltarule as dr
from deltarule.compile.jit import compile
from deltarule.derive.tree import flatten

RNG = np.random.default_rng(0)
NET = {
    "w1": RNG.normal(size=(16, 32)) * 0.2,
    "w2": RNG.normal(size=(32, 16)) * 0.2,
    "b": np.zeros(16),
}
X = RNG.normal(size=(20, 16))
PROGRAMS = {}


def program(*args):
    def keep(f):
        PROGRAMS[f.__name__] = (f, args)
        return f

    return keep


def normalized(x):
    mean = np.mean(x, axis=-1, keepdims=True)
    variance = np.mean((x - mean) ** 2, axis=-1, keepdims=True)
    return (x - mean) / np.sqrt(variance + 1e-5)


def residual(p, x):
    for _ in range(3):
        x = x + np.maximum(normalized(x) @ p["w1"], 0) @ p["w2"] + p["b"]
    return np.mean(normalized(x) ** 3)


@program(NET, X)
def residual_net_with_layer_norm(p, x):
    return dr.value_and_grad(residual)(p, x)


@program(RNG.normal(size=16), X, RNG.normal(size=20) * 3)
def own_loss(w, x, y):
    def huber(w):
        e = x @ w - y
        size = np.abs(e)
        return np.sum(np.where(size < 1, 0.5 * e * e, size - 0.5))

    return dr.grad(huber)(w)


@program(*np.abs(RNG.normal(size=(4, 50, 7))), 3.0)
def own_optimizer(p, m, v, g, t):
    m = 0.9 * m + 0.1 * g
    v = 0.999 * v + 0.001 * g * g
    return p - 1e-3 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8), m, v


@program(NET, {"mean": np.zeros(32), "variance": np.ones(32)}, X)
def batch_norm_with_state(p, state, x):
    def loss(p):
        h = x @ p["w1"]
        mean, variance = np.mean(h, axis=0), np.var(h, axis=0)
        new = {
            "mean": 0.9 * state["mean"] + 0.1 * mean,
            "variance": 0.9 * state["variance"] + 0.1 * variance,
        }
        return np.mean(np.tanh((h - mean) / np.sqrt(variance + 1e-5)) @ p["w2"]), new

    return dr.value_and_grad(loss, has_aux=True)(p)


@program(NET, dr.random.key(3), X)
def dropout(p, key, x):
    def loss(p):
        h = np.tanh(x @ p["w1"])
        kept = dr.random.bernoulli(key, 0.8, h.shape, place=3)
        return np.sum(np.where(kept, h / 0.8, 0.0) @ p["w2"])

    return dr.value_and_grad(loss)(p)


@program(RNG.normal(size=(8, 8)) * 0.3, RNG.normal(size=(50, 8)))
def gradient_of_a_scan_of_50_steps(w, xs):
    def loss(w):
        def step(h, x):
            h = np.tanh(h @ w + x)
            return h, np.sum(h * h)

        h, sizes = dr.scan(step, np.zeros(8), xs)
        return np.sum(h) + np.sum(sizes)

    return dr.value_and_grad(loss)(w)


@program(NET, X, X[::-1])
def gradients_per_example(p, x, y):
    def loss(p, x, y):
        return np.sum((np.tanh(x @ p["w1"]) @ p["w2"] + p["b"] - y) ** 2)

    return dr.vmap(dr.grad(loss), in_axes=(None, 0, 0))(p, x, y)


@program(NET, {k: v + 0.1 for k, v in NET.items()})
def hessian_vector_product(p, v):
    return dr.hvp(lambda q: residual(q, X), p, v)


@program(NET, RNG.normal(size=(4, 12, 16)))
def attention(p, x):
    def loss(p):
        q, k, v = (x @ p["w1"] for _ in range(3))
        scores = np.einsum("bid,bjd->bij", q, k) / 32**0.5
        weights = np.exp(scores - np.max(scores, axis=-1, keepdims=True))
        weights = weights / np.sum(weights, axis=-1, keepdims=True)
        return np.mean(np.einsum("bij,bjd->bid", weights, v) @ p["w2"])

    return dr.value_and_grad(loss)(p)


@program(RNG.normal(size=(3, 3)))
def assignment_in_place(x):
    def loss(x):
        z = np.zeros((5, 3))
        z[1:4] = x
        z[0] = x[0] * 2
        z += 1
        return np.sum(z[::-1] * z)

    return dr.grad(loss)(x)


@program(RNG.normal(size=(10, 4)), RNG.integers(0, 10, (6, 2)))
def embedding(table, index):
    return dr.grad(lambda t: np.sum(t[index] ** 2))(table)


@program(RNG.normal(size=1000))
def rosenbrock(v):
    return dr.grad(lambda v: np.sum(100 * (v[1:] - v[:-1] ** 2) ** 2 + (1 - v[:-1]) ** 2))(v)


@program(RNG.normal(size=9))
def second_derivatives(v):
    return dr.hessian(lambda v: np.sum(np.sin(v) * v**3) + np.log1p(v[0] ** 2) * np.exp(v[1]))(v)


@pytest.mark.parametrize("name", PROGRAMS)
def test_compiled_equals_eager(name):
    f, args = PROGRAMS[name]
    run = compile(f)
    found, spec = flatten(run(*args))
    wanted, wanted_spec = flatten(f(*args))
    assert spec == wanted_spec
    for x, y in zip(found, wanted, strict=True):
        assert (x.shape, x.dtype) == (y.shape, y.dtype)
        np.testing.assert_allclose(
            x, y, rtol=1e-9, atol=1e-11 * max(1, np.max(np.abs(y), initial=0))
        )


@pytest.mark.native
@pytest.mark.parametrize("name", PROGRAMS)
def test_all_of_it_is_machine_code(name):
    f, args = PROGRAMS[name]
    run = compile(f)
    run(*args)
    assert run.plan.native == 1.0
