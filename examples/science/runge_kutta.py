"""Predator and prey: the Lotka-Volterra equations by the classical Runge-Kutta method, fitted to counts."""

import numpy as np


def derivative(state, rates):
    prey, predators = state
    birth, hunt, growth, death = rates
    return np.array(
        [birth * prey - hunt * prey * predators, growth * prey * predators - death * predators]
    )


def integrate(start, rates, step, steps):
    """States at all times, one a row."""
    states = np.zeros((steps + 1, 2))
    states[0] = start
    for i in range(steps):
        y = states[i]
        k1 = derivative(y, rates)
        k2 = derivative(y + step / 2 * k1, rates)
        k3 = derivative(y + step / 2 * k2, rates)
        k4 = derivative(y + step * k3, rates)
        states[i + 1] = y + step / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return states


def loss(parameters, counts):
    """Squared error of the logarithms of counts that were taken at every tenth time."""
    start, rates = np.exp(parameters["log_start"]), np.exp(parameters["log_rates"])
    states = integrate(start, rates, 0.05, 10 * (len(counts) - 1))
    return np.mean((np.log(states[::10]) - np.log(counts)) ** 2)


def arguments():
    rng = np.random.default_rng(0)
    counts = integrate(np.array([4.0, 2.0]), np.array([0.9, 0.4, 0.2, 0.8]), 0.05, 200)[::10]
    counts = counts * np.exp(0.05 * rng.normal(size=counts.shape))
    parameters = {"log_start": np.log([3.0, 3.0]), "log_rates": np.log([1.0, 0.5, 0.3, 0.7])}
    return parameters, counts
