"""Heat in a plate whose conductivity differs from place to place: an explicit scheme, written in place."""

import numpy as np


def diffuse(temperature, conductivity, source, steps, dt=0.1):
    """The temperature after some steps; the edges stay as they are."""
    u = temperature.copy()
    for _ in range(steps):
        flow_x = np.zeros_like(u)
        flow_y = np.zeros_like(u)
        flow_x[1:, :] = 0.5 * (conductivity[1:, :] + conductivity[:-1, :]) * (u[1:, :] - u[:-1, :])
        flow_y[:, 1:] = 0.5 * (conductivity[:, 1:] + conductivity[:, :-1]) * (u[:, 1:] - u[:, :-1])
        inner = u[1:-1, 1:-1]
        inner += dt * (flow_x[2:, 1:-1] - flow_x[1:-1, 1:-1])
        inner += dt * (flow_y[1:-1, 2:] - flow_y[1:-1, 1:-1])
        inner += dt * source[1:-1, 1:-1]
    return u


def loss(parameters, start, measured):
    """Squared error of the temperatures at the end."""
    conductivity = np.exp(parameters["log_conductivity"])
    u = diffuse(start, conductivity, parameters["source"], 40)
    return np.sum((u - measured) ** 2)


def arguments():
    rng = np.random.default_rng(5)
    start = np.zeros((24, 24))
    start[8:16, 8:16] = 1.0
    measured = diffuse(start, 0.5 + rng.random(start.shape), np.zeros_like(start), 40)
    return (
        {"log_conductivity": np.zeros((24, 24)), "source": np.full((24, 24), 0.01)},
        start,
        measured,
    )
