"""A hidden Markov model with normal emissions: the log-likelihood of a sequence by the forward algorithm."""

import numpy as np


def log_normalized(x):
    top = x.max(axis=-1, keepdims=True)
    return x - top - np.log(np.sum(np.exp(x - top), axis=-1, keepdims=True))


def logsumexp(x, axis):
    top = np.max(x, axis=axis, keepdims=True)
    return np.squeeze(top, axis) + np.log(np.sum(np.exp(x - top), axis=axis))


def loss(parameters, sequence):
    """Minus the log-likelihood of a sequence of numbers."""
    transitions = log_normalized(parameters["transitions"])
    start = log_normalized(parameters["start"])
    means, deviations = parameters["means"], np.exp(parameters["log_deviations"])
    z = (sequence[:, None] - means) / deviations
    emissions = -0.5 * z**2 - np.log(deviations) - 0.5 * np.log(2 * np.pi)
    alpha = np.empty_like(emissions)
    alpha[0] = start + emissions[0]
    for t in range(1, len(sequence)):
        alpha[t] = emissions[t] + logsumexp(alpha[t - 1][:, np.newaxis] + transitions, axis=0)
    return -logsumexp(alpha[-1], axis=0)


def arguments():
    rng = np.random.default_rng(3)
    states = np.cumsum(rng.random(120) < 0.1) % 3
    sequence = np.array([-2.0, 0.0, 3.0])[states] + 0.5 * rng.normal(size=120)
    parameters = {
        "transitions": rng.normal(size=(3, 3)) + 2 * np.eye(3),
        "start": np.zeros(3),
        "means": np.array([-1.0, 0.5, 2.0]),
        "log_deviations": np.zeros(3),
    }
    return parameters, sequence
