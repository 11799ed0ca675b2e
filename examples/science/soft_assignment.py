"""Two sets of points matched softly: the optimal assignment, smoothed, by Sinkhorn's iterations."""

import numpy as np


def loss(points, goals):
    """The cost of moving points to goals under the best soft assignment."""
    n = len(points)
    cost = np.zeros((n, n))
    for i in range(n):
        cost[i] = np.sqrt(np.sum((points[i] - goals) ** 2, axis=1) + 1e-6)
    K = np.exp(-cost / 0.2)
    u, v = np.ones(n), np.ones(n)
    for _ in range(50):
        u = (1.0 / n) / K.dot(v)
        v = (1.0 / n) / K.T.dot(u)
    plan = u[:, None] * K * v
    return (plan * cost).sum()


def arguments():
    rng = np.random.default_rng(4)
    return rng.normal(size=(30, 2)), rng.normal(size=(30, 2)) + [1.0, 0.5]
