"""Whole programs as people write them in NumPy, unchanged: the value is NumPy's, the gradient holds.

In: functions of a point. Out: agreement with plain NumPy, with central differences, and under vmap.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import deltarule as dr

RNG = np.random.default_rng(5)


def pendulum(p):
    """Runge and Kutta's method, states written into a table made before."""

    def rate(state):
        angle, speed = state
        return np.array([speed, -p[0] * np.sin(angle) - p[1] * speed])

    times = np.linspace(0, 1, 6)
    path = np.zeros((len(times), 2))
    path[0] = [p[2], 0.1]
    for i, h in enumerate(np.diff(times)):
        y = path[i]
        k1 = rate(y)
        k2 = rate(y + h / 2 * k1)
        k3 = rate(y + h / 2 * k2)
        k4 = rate(y + h * k3)
        path[i + 1] = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return np.sum(path[:, 0] ** 2) + path[-1, 1]


def heat(u):
    """An explicit scheme with slices, in place, with its buffer swapped."""
    u, new = u.copy(), np.empty_like(u)
    for _ in range(5):
        new[1:-1] = u[1:-1] + 0.2 * (u[2:] - 2 * u[1:-1] + u[:-2])
        new[0], new[-1] = new[1], new[-2]
        u, new = new, u
    return np.dot(u, np.arange(u.size))


def wave(u):
    """Periodic, by np.roll."""
    v = np.zeros(u.shape)
    for _ in range(4):
        v += 0.1 * (np.roll(u, 1) + np.roll(u, -1) - 2 * u)
        u = u + 0.5 * v
    return np.sum(u**2) + np.sum(v**4)


TABLE = RNG.normal(size=(8, 3))
TARGET = (TABLE @ [1.0, -2.0, 0.5] > 0).astype(float)


def logistic_regression(w):
    z = TABLE @ w
    loss = np.mean(np.maximum(z, 0) - z * TARGET + np.log1p(np.exp(-np.abs(z))))
    return loss + 0.1 * np.linalg.norm(w) ** 2


def network_by_hand(p):
    """Forward pass with a list of layers, softmax by the book, and indexing by labels."""
    x, labels = TABLE, np.array([0, 1, 2, 0, 1, 2, 0, 1])
    sizes, start = [3, 4, 3], 0
    for n, m in itertools.pairwise(sizes):
        w = p[start : start + n * m].reshape(n, m)
        b = p[start + n * m : start + n * m + m]
        start += n * m + m
        x = np.tanh(x @ w + b) if m != sizes[-1] else x @ w + b
    x = x - x.max(axis=1, keepdims=True)
    share = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)
    return -np.mean(np.log(share[np.arange(len(labels)), labels]))


def mixture(p):
    """Log-likelihood of a mixture of three normals."""
    means, widths, weights = p[:3], np.exp(p[3:6]), np.exp(p[6:9]) / np.sum(np.exp(p[6:9]))
    x = TABLE[:, 0]
    density = np.exp(-0.5 * ((x[:, None] - means) / widths) ** 2) / (widths * np.sqrt(2 * np.pi))
    return np.sum(np.log(density @ weights))


def recurrent(p):
    """A gated cell in a Python loop that appends to a list."""
    w = p.reshape(4, 3)
    h, states = np.zeros(3), []
    for row in TABLE:
        gate = 1 / (1 + np.exp(-(w[0] * row + w[1] * h)))
        h = gate * np.tanh(w[2] * row + w[3]) + (1 - gate) * h
        states.append(h)
    return np.stack(states)[::2].sum() + np.concatenate(states).max()


def convolution(p):
    """A picture convolved by loops over the kernel, with padding and pooling by reshape."""
    kernel, picture = p[:9].reshape(3, 3), np.pad(p[9:].reshape(4, 4), 1)
    out = np.zeros((4, 4))
    for i in range(3):
        for j in range(3):
            out += kernel[i, j] * picture[i : i + 4, j : j + 4]
    pooled = out.reshape(2, 2, 2, 2).max(axis=(1, 3))
    return np.sum(pooled**2)


def portfolio(w):
    """Statistics: covariance, quantile of losses, turnover by absolute differences."""
    returns = TABLE @ w[:3]
    risk = w[:3] @ np.cov(TABLE, rowvar=False) @ w[:3]
    return (
        np.mean(returns)
        - risk
        - np.percentile(returns, 30)
        + np.sum(np.abs(np.diff(w)))
        + np.std(returns)
    )


def newton(p):
    """A loop that runs until it has converged, and branches on the way."""
    x = p[0] + 1.0
    for _ in range(50):
        step = (x**3 - p[0] * x - p[1]) / (3 * x**2 - p[0])
        x = x - step
        if abs(step) < 1e-14:
            break
    return x


def energy(x):
    """Particles: all pairs, a mask on the diagonal, and a triangle of indices."""
    points = x.reshape(-1, 2)
    difference = points[:, None] - points[None]
    distance = np.sqrt(np.sum(difference**2, axis=-1) + np.eye(len(points)))
    i, j = np.triu_indices(len(points), 1)
    return np.sum(1 / distance[i, j] ** 6 - 1 / distance[i, j] ** 3) + np.sum(
        np.where(distance > 1, distance, 0.0)
    )


def polynomial_fit(c):
    x = np.linspace(-1, 1, 7)
    return np.sum((np.polyval(c, x) - np.sin(3 * x)) ** 2) + np.trapezoid(np.polyval(c, x) ** 2, x)


def gram_schmidt(a):
    """Columns made orthogonal in place."""
    q = a.reshape(3, 3).copy()
    for j in range(3):
        for k in range(j):
            q[:, j] -= (q[:, k] @ q[:, j]) * q[:, k]
        q[:, j] /= np.linalg.norm(q[:, j])
    return np.sum(q * np.arange(9.0).reshape(3, 3))


def elimination(a):
    """Gauss's elimination with pivots, in place, and the determinant."""
    m = a.reshape(3, 3) + 0.0
    det = 1.0
    for k in range(3):
        pivot = k + np.argmax(np.abs(m[k:, k]))
        if pivot != k:
            m[[k, pivot]] = m[[pivot, k]]
            det = -det
        det = det * m[k, k]
        for i in range(k + 1, 3):
            m[i, k:] -= m[i, k] / m[k, k] * m[k, k:]
    return det


def histogram_of_weights(p):
    """Values gathered into bins by np.add.at, then smoothed by a convolution and sorted."""
    bins = np.zeros(5)
    np.add.at(bins, np.array([0, 1, 1, 4, 3, 3]), p)
    smooth = np.convolve(bins, [0.25, 0.5, 0.25], mode="same")
    return np.sum(np.sort(smooth) * np.arange(5)) + np.cumsum(bins)[-2]


PROGRAMS = {
    pendulum: [2.0, 0.3, 0.5],
    heat: RNG.normal(size=7),
    wave: RNG.normal(size=6),
    logistic_regression: RNG.normal(size=3),
    network_by_hand: RNG.normal(size=31),
    mixture: RNG.normal(size=9),
    recurrent: RNG.normal(size=12),
    convolution: RNG.normal(size=25),
    portfolio: RNG.normal(size=4),
    newton: [2.0, 1.5],
    energy: RNG.normal(size=8) * 3,
    polynomial_fit: RNG.normal(size=4),
    gram_schmidt: RNG.normal(size=9),
    elimination: RNG.normal(size=9),
    histogram_of_weights: RNG.normal(size=6),
}
BRANCHING = (newton, elimination)


@pytest.mark.parametrize("f", PROGRAMS, ids=lambda f: f.__name__)
def test_program(f):
    x = np.array(PROGRAMS[f])
    value, gradient = dr.value_and_grad(f)(x)
    np.testing.assert_allclose(value, f(x.copy()), rtol=1e-12)
    np.testing.assert_array_equal(x, PROGRAMS[f])
    assert gradient.any()
    dr.check_grads(f, x)


@pytest.mark.parametrize("f", [f for f in PROGRAMS if f not in BRANCHING], ids=lambda f: f.__name__)
def test_program_over_examples(f):
    x = np.array(PROGRAMS[f])
    xs = np.stack([x, 1.1 * x])
    np.testing.assert_allclose(dr.vmap(f)(xs), [f(row.copy()) for row in xs], rtol=1e-10)
    np.testing.assert_allclose(dr.vmap(dr.grad(f))(xs), [dr.grad(f)(row) for row in xs], rtol=1e-8)


def test_a_scipy_optimizer_takes_our_gradients():
    from scipy import optimize

    found = optimize.minimize(
        dr.value_and_grad(logistic_regression), np.zeros(3), jac=True, method="BFGS"
    )
    assert np.linalg.norm(dr.grad(logistic_regression)(found.x)) < 1e-4
    rosen = lambda x: np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)  # noqa: E731
    start = np.array([-1.2, 1.0, 0.5])
    found = optimize.minimize(
        rosen, start, jac=dr.grad(rosen), hess=dr.hessian(rosen), method="trust-exact"
    )
    np.testing.assert_allclose(found.x, 1.0, atol=1e-6)
