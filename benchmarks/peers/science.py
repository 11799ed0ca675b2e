"""The functions of examples/science without in-place writing, for libraries that have none.

In: a library's names for NumPy's, and its loop, ``scan(step, state, rows) -> (state, results)``. Out:
functions of the same arguments and values as those of the examples.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Loss = Callable[..., Any]


def runge_kutta(np: Any, scan: Any) -> Loss:
    """See examples/science/runge_kutta.py; so for all below."""

    def derivative(state: Any, rates: Any) -> Any:
        prey, predators = state[0], state[1]
        birth, hunt, growth, death = rates[0], rates[1], rates[2], rates[3]
        met = prey * predators
        return np.stack([birth * prey - hunt * met, growth * met - death * predators])

    def loss(parameters: Any, counts: Any) -> Any:
        start, rates = np.exp(parameters["log_start"]), np.exp(parameters["log_rates"])
        h = 0.05

        def step(y: Any, _: Any) -> Any:
            k1 = derivative(y, rates)
            k2 = derivative(y + h / 2 * k1, rates)
            k3 = derivative(y + h / 2 * k2, rates)
            k4 = derivative(y + h * k3, rates)
            y = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
            return y, y

        times = np.arange(10 * (len(counts) - 1))
        states = scan(step, start, times)[1]
        seen = np.concatenate([start[None], states[9::10]])
        return np.mean((np.log(seen) - np.log(counts)) ** 2)

    return loss


def kalman_filter(np: Any, scan: Any) -> Loss:
    import numpy

    dt, eye = 0.5, numpy.eye(2)
    F = numpy.block([[eye, dt * eye], [0 * eye, eye]])
    H = numpy.concatenate([eye, 0 * eye], axis=1)
    plain = numpy.block([[eye * dt**3 / 3, eye * dt**2 / 2], [eye * dt**2 / 2, eye * dt]])

    def loss(parameters: Any, track: Any) -> Any:
        noise = np.exp(parameters["log_noise"])
        Q, R = noise[0] * plain, noise[1] * numpy.eye(2)

        def step(state: Any, z: Any) -> Any:
            x, P = state
            x, P = F @ x, F @ P @ F.T + Q
            residual, S = z - H @ x, H @ P @ H.T + R
            K = P @ H.T @ np.linalg.inv(S)
            x, P = x + K @ residual, (numpy.eye(4) - K @ H) @ P
            logdet = np.linalg.slogdet(S)[1]
            square = np.dot(residual, np.linalg.solve(S, residual))
            return (x, P), 0.5 * (square + logdet + 2 * np.log(2 * np.pi))

        start = parameters["start"], np.array(numpy.diag([1.0, 1.0, 4.0, 4.0]))
        return np.sum(scan(step, start, track)[1])

    return loss


def gaussian_process(np: Any, scan: Any) -> Loss:
    def loss(parameters: Any, X: Any, y: Any) -> Any:
        X = X / np.exp(parameters["log_scales"])
        squares = np.sum(X**2, 1)
        squares = squares[:, None] + squares[None, :] - 2 * np.dot(X, X.T)
        K = np.exp(2 * parameters["log_amplitude"] - 0.5 * np.maximum(squares, 0.0))
        K = K + np.exp(2 * parameters["log_noise"]) * np.eye(len(y))
        L = np.linalg.cholesky(K)
        alpha = np.linalg.solve(L.T, np.linalg.solve(L, y))
        height = np.sum(np.log(np.diag(L)))
        return 0.5 * np.dot(y, alpha) + height + 0.5 * len(y) * np.log(2 * np.pi)

    return loss


def hidden_markov(np: Any, scan: Any) -> Loss:
    def logsumexp(x: Any, axis: int, keepdims: bool = False) -> Any:
        top = np.max(x, axis=axis, keepdims=True)
        found = top + np.log(np.sum(np.exp(x - top), axis=axis, keepdims=True))
        return found if keepdims else np.squeeze(found, axis)

    def loss(parameters: Any, sequence: Any) -> Any:
        transitions = parameters["transitions"]
        transitions = transitions - logsumexp(transitions, 1, True)
        start = parameters["start"] - logsumexp(parameters["start"], 0, True)
        deviations = np.exp(parameters["log_deviations"])
        z = (sequence[:, None] - parameters["means"]) / deviations
        emissions = -0.5 * z**2 - np.log(deviations) - 0.5 * np.log(2 * np.pi)

        def step(alpha: Any, emitted: Any) -> Any:
            alpha = emitted + logsumexp(alpha[:, None] + transitions, 0)
            return alpha, alpha

        alpha = scan(step, start + emissions[0], emissions[1:])[0]
        return -logsumexp(alpha, 0)

    return loss


def soft_assignment(np: Any, scan: Any) -> Loss:
    def loss(points: Any, goals: Any) -> Any:
        n = len(points)
        apart = points[:, None, :] - goals[None, :, :]
        cost = np.sqrt(np.sum(apart**2, axis=2) + 1e-6)
        K = np.exp(-cost / 0.2)

        def step(state: Any, _: Any) -> Any:
            u = (1.0 / n) / np.dot(K, state[1])
            v = (1.0 / n) / np.dot(K.T, u)
            return (u, v), v

        u, v = scan(step, (np.ones(n), np.ones(n)), np.arange(50))[0]
        return np.sum(u[:, None] * K * v * cost)

    return loss


def heat_equation(np: Any, scan: Any) -> Loss:
    def loss(parameters: Any, start: Any, measured: Any) -> Any:
        conductivity = np.exp(parameters["log_conductivity"])
        across = 0.5 * (conductivity[1:, :] + conductivity[:-1, :])
        along = 0.5 * (conductivity[:, 1:] + conductivity[:, :-1])
        source, dt = parameters["source"][1:-1, 1:-1], 0.1

        def step(u: Any, _: Any) -> Any:
            flow_x = across * (u[1:, :] - u[:-1, :])
            flow_y = along * (u[:, 1:] - u[:, :-1])
            more = flow_x[1:, 1:-1] - flow_x[:-1, 1:-1] + flow_y[1:-1, 1:] - flow_y[1:-1, :-1]
            u = u + np.pad(dt * (more + source), ((1, 1), (1, 1)), "constant")
            return u, u[0, 0]

        u = scan(step, start, np.arange(40))[0]
        return np.sum((u - measured) ** 2)

    return loss


def n_body(np: Any, scan: Any) -> Loss:
    def accelerations(positions: Any, masses: Any) -> Any:
        found = []
        for i in range(4):
            total = 0.0
            for j in range(4):
                if i != j:
                    apart = positions[j] - positions[i]
                    total = total + masses[j] * apart / (np.sum(apart**2) + 1e-4) ** 1.5
            found.append(total)
        return np.stack(found)

    def loss(parameters: Any, goal: Any) -> Any:
        masses, dt = np.exp(parameters["log_masses"]), 0.05

        def step(state: Any, _: Any) -> Any:
            x, v, a = state
            v = v + 0.5 * dt * a
            x = x + dt * v
            a = accelerations(x, masses)
            return (x, v + 0.5 * dt * a, a), x[0, 0]

        x, v = parameters["positions"], parameters["velocities"]
        x = scan(step, (x, v, accelerations(x, masses)), np.arange(20))[0][0]
        return np.sum((x - goal) ** 2)

    return loss


FUNCTIONS: dict[str, Callable[[Any, Any], Loss]] = {
    f.__name__: f
    for f in (
        *(runge_kutta, kalman_filter, gaussian_process, hidden_markov, soft_assignment),
        *(heat_equation, n_body),
    )
}
