"""A moving object seen through noise: the log-likelihood of its track under a Kalman filter."""

import numpy as np


def loss(parameters, track):
    """Minus the log-likelihood: position and velocity in the plane, positions are observed."""
    process, observation = np.exp(parameters["log_noise"])
    dt = 0.5
    F = np.eye(4)
    F[0, 2] = F[1, 3] = dt
    H = np.zeros((2, 4))
    H[0, 0] = H[1, 1] = 1.0
    Q = np.zeros((4, 4))
    Q[:2, :2] = np.eye(2) * dt**3 / 3
    Q[:2, 2:] = Q[2:, :2] = np.eye(2) * dt**2 / 2
    Q[2:, 2:] = np.eye(2) * dt
    Q *= process
    R = observation * np.eye(2)
    x = parameters["start"]
    P = np.diag([1.0, 1.0, 4.0, 4.0])
    total = 0.0
    for z in track:
        x = F @ x
        P = F @ P @ F.T + Q
        residual = z - H @ x
        S = H @ P @ H.T + R
        K = P @ H.T @ np.linalg.inv(S)
        x = x + K @ residual
        P = (np.eye(4) - K @ H) @ P
        sign, logdet = np.linalg.slogdet(S)
        total += 0.5 * (residual @ np.linalg.solve(S, residual) + logdet + 2 * np.log(2 * np.pi))
    return total


def arguments():
    rng = np.random.default_rng(1)
    velocity = np.cumsum(0.3 * rng.normal(size=(60, 2)), axis=0) + [1.0, -0.5]
    track = np.cumsum(0.5 * velocity, axis=0) + 0.4 * rng.normal(size=(60, 2))
    return {"log_noise": np.log([0.5, 0.5]), "start": np.array([0.1, -0.2, 0.8, 0.3])}, track
