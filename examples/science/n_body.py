"""A sun and its planets under gravity: leapfrog steps, and how far they end from where they should."""

import numpy as np


def accelerations(positions, masses):
    n = len(positions)
    found = np.zeros((n, 3))
    for i in range(n):
        for j in range(n):
            if i != j:
                apart = positions[j] - positions[i]
                found[i] += masses[j] * apart / (np.sum(apart**2) + 1e-4) ** 1.5
    return found


def loss(parameters, goal):
    """Squared distance of all bodies from their goals after 20 steps."""
    x, v = parameters["positions"].copy(), parameters["velocities"].copy()
    masses = np.exp(parameters["log_masses"])
    dt = 0.05
    a = accelerations(x, masses)
    for _ in range(20):
        v += 0.5 * dt * a
        x += dt * v
        a = accelerations(x, masses)
        v += 0.5 * dt * a
    return np.sum((x - goal) ** 2)


def arguments():
    rng = np.random.default_rng(6)
    angles, radii = np.array([0.0, 0.3, 2.0, 4.0]), np.array([0.0, 1.0, 1.6, 2.3])
    positions = np.stack([radii * np.cos(angles), radii * np.sin(angles), np.zeros(4)], axis=1)
    speeds = np.where(radii > 0, 1 / np.sqrt(np.maximum(radii, 0.1)), 0.0)
    velocities = np.stack([-speeds * np.sin(angles), speeds * np.cos(angles), np.zeros(4)], axis=1)
    parameters = {
        "positions": positions,
        "velocities": velocities,
        "log_masses": np.log([1.0, 0.01, 0.02, 0.005]),
    }
    return parameters, positions + 0.1 * rng.normal(size=(4, 3))
