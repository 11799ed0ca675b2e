"""A Gaussian process with a kernel of its own length scale along each axis: its marginal likelihood."""

import numpy as np


def kernel(X, Z, log_scales, log_amplitude):
    X, Z = X / np.exp(log_scales), Z / np.exp(log_scales)
    squares = np.sum(X**2, 1)[:, None] + np.sum(Z**2, 1)[None, :] - 2 * np.dot(X, Z.T)
    return np.exp(2 * log_amplitude - 0.5 * np.maximum(squares, 0.0))


def loss(parameters, X, y):
    """Minus the log marginal likelihood."""
    K = kernel(X, X, parameters["log_scales"], parameters["log_amplitude"])
    K[np.diag_indices_from(K)] += np.exp(2 * parameters["log_noise"])
    L = np.linalg.cholesky(K)
    alpha = np.linalg.solve(L.T, np.linalg.solve(L, y))
    return 0.5 * y @ alpha + np.sum(np.log(np.diag(L))) + 0.5 * len(y) * np.log(2 * np.pi)


def arguments():
    rng = np.random.default_rng(2)
    X = rng.uniform(-2, 2, (80, 3))
    y = np.sin(2 * X[:, 0]) + 0.5 * X[:, 1] ** 2 + 0.1 * rng.normal(size=80)
    return {"log_scales": np.zeros(3), "log_amplitude": 0.1, "log_noise": -1.5}, X, y
