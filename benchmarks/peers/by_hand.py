"""Backpropagation in NumPy, written out by hand: gradient descent, results in place where that is easy."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import NotForThisJob, Training
from jobs import Job


def training(job: Job, X: Any, y: Any) -> Training:
    """Some epochs a call."""
    if job.rule != "sgd" or job.normalize:
        raise NotForThisJob("by hand there is gradient descent only, on plain dense layers")
    rng = np.random.default_rng(0)
    weights = [rng.normal(0, (2 / a) ** 0.5, (a, b)).astype(job.dtype) for a, b in job.layers]
    biases = [np.zeros(b, job.dtype) for _, b in job.layers]
    rate = np.dtype(job.dtype).type(job.rate)

    def step(x: Any, t: Any) -> float:
        values = [x]
        for w, b in zip(weights[:-1], biases[:-1], strict=True):
            z = values[-1] @ w
            z += b
            values.append(
                np.tanh(z, out=z) if job.activation == "tanh" else np.maximum(z, 0, out=z)
            )
        z = values[-1] @ weights[-1]
        z += biases[-1]
        loss, delta = cross_entropy(z, t) if job.classes else mean_square(z, t)
        for i in reversed(range(len(weights))):
            gradient, sums = values[i].T @ delta, delta.sum(axis=0)
            if i:
                h, delta = values[i], delta @ weights[i].T
                delta *= 1 - h * h if job.activation == "tanh" else h > 0
            gradient *= rate
            weights[i] -= gradient
            biases[i] -= rate * sums
        return loss

    def epoch() -> list[float]:
        if job.full:
            return [step(X, y)]
        order = rng.permutation(job.rows).reshape(-1, job.batch)
        return [step(X[rows], y[rows]) for rows in order]

    return Training(lambda: [epoch() for _ in range(job.epochs)], job.steps * job.epochs)


def mean_square(z: Any, t: Any) -> tuple[float, Any]:
    """The loss, and its derivative in z."""
    error = z - t
    loss = float(np.vdot(error, error)) / error.size
    error *= 2 / error.size
    return loss, error


def cross_entropy(z: Any, t: Any) -> tuple[float, Any]:
    """The loss, and its derivative in z, the softmax less one at the class."""
    rows = np.arange(len(t))
    z -= z.max(axis=1, keepdims=True)
    chosen = z[rows, t]
    p = np.exp(z, out=z)
    total = p.sum(axis=1, keepdims=True)
    loss = float(np.mean(np.log(total[:, 0]) - chosen))
    p /= total
    p[rows, t] -= 1
    p /= len(t)
    return loss, p
