"""What a training step takes: networks of four sizes, beside scikit-learn, PyTorch and JAX, epoch
by epoch in turns.

In: random data of each job's shape. Out: microseconds a step as medians over epochs, shuffle,
gather and loss record
included, the ratios to deltarule, and the limit: multiply-adds over the measured peak of this
machine. Peers that are not
installed are left out. `steps.py tiny mnist` runs only these jobs.
"""

from __future__ import annotations

import importlib.util
import os
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import deltarule as dr

from measure import write

THREADS = int(os.environ.get("DELTARULE_THREADS", "2"))
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, str(THREADS))


@dataclass(frozen=True)
class Job:
    """A network of relu layers, classified by cross-entropy, trained by Adam."""

    sizes: tuple[int, ...]
    batch: int
    steps: int
    epochs: int

    @property
    def multiply_adds(self) -> int:
        """Of forward and backward; the first layer needs no gradient of its inputs."""
        products = [a * b for a, b in zip(self.sizes, self.sizes[1:], strict=False)]
        return self.batch * (3 * sum(products) - products[0])


JOBS = {
    "tiny": Job((20, 64, 64, 2), 32, 200, 15),
    "mnist": Job((784, 256, 128, 10), 64, 150, 9),
    "wide": Job((784, 300, 10), 128, 100, 9),
    "large": Job((784, 1024, 1024, 10), 256, 24, 5),
}


def data_of(job: Job) -> tuple[np.ndarray, np.ndarray]:
    """Random rows and classes."""
    rng = np.random.default_rng(0)
    rows = job.batch * job.steps
    return rng.normal(size=(rows, job.sizes[0])).astype("f4"), rng.integers(0, job.sizes[-1], rows)


def sklearn_epochs(job: Job, X: np.ndarray, y: np.ndarray) -> Callable[[], None]:
    """One epoch a call, continued by warm start."""
    from sklearn.neural_network import MLPClassifier

    settings = {"batch_size": job.batch, "max_iter": 1, "warm_start": True, "alpha": 0.0}
    model = MLPClassifier(job.sizes[1:-1], **settings)
    warnings.simplefilter("ignore")
    return lambda: model.fit(X, y)


def torch_epochs(job: Job, X: np.ndarray, y: np.ndarray) -> Callable[[], None]:
    """Eager PyTorch, batches by index from tensors in memory."""
    import torch

    torch.set_num_threads(THREADS)
    layers: list[Any] = []
    for a, b in zip(job.sizes, job.sizes[1:], strict=False):
        layers += [torch.nn.Linear(a, b), torch.nn.ReLU()]
    net = torch.nn.Sequential(*layers[:-1])
    rule = torch.optim.Adam(net.parameters(), 1e-3)
    inputs, labels = torch.from_numpy(X), torch.from_numpy(y)
    cost = torch.nn.functional.cross_entropy

    def epoch() -> None:
        losses = []
        for rows in torch.randperm(len(inputs)).split(job.batch):
            loss = cost(net(inputs[rows]), labels[rows])
            rule.zero_grad()
            loss.backward()
            rule.step()
            losses.append(loss.item())

    return epoch


def jax_epochs(job: Job, X: np.ndarray, y: np.ndarray, whole: bool) -> Callable[[], None]:
    """JAX: a jitted step in a Python loop, or one jitted scan over the whole epoch."""
    import jax
    import jax.numpy as jnp

    keys = jax.random.split(jax.random.key(0), len(job.sizes))
    shapes = list(zip(job.sizes, job.sizes[1:], strict=False))
    params = [
        (jax.random.normal(k, s) * (2 / s[0]) ** 0.5, jnp.zeros(s[1]))
        for k, s in zip(keys, shapes, strict=False)
    ]
    zeros = jax.tree.map(jnp.zeros_like, params)

    def cost(params: Any, x: Any, t: Any) -> Any:
        for w, b in params[:-1]:
            x = jax.nn.relu(x @ w + b)
        z = x @ params[-1][0] + params[-1][1]
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(z), t[:, None], 1))

    def step(carry: Any, rows: Any) -> Any:
        params, m, v, t = carry
        loss, g = jax.value_and_grad(cost)(params, inputs[rows], labels[rows])
        t = t + 1
        m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, g)
        v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, g)
        rate = 1e-3 * jnp.sqrt(1 - 0.999**t) / (1 - 0.9**t)
        params = jax.tree.map(lambda p, m, v: p - rate * m / (jnp.sqrt(v) + 1e-8), params, m, v)
        return (params, m, v, t), loss

    inputs, labels = jnp.asarray(X), jnp.asarray(y)
    state = [(params, zeros, zeros, jnp.zeros(()))]
    rng = np.random.default_rng(0)
    run = jax.jit(lambda carry, rows: jax.lax.scan(step, carry, rows)) if whole else jax.jit(step)

    def epoch() -> None:
        rows = rng.permutation(len(X)).reshape(job.steps, job.batch)
        if whole:
            state[0], losses = run(state[0], rows)
            np.asarray(losses)
        else:
            for batch in rows:
                state[0], loss = run(state[0], batch)
                float(loss)

    return epoch


def peers_of(job: Job, X: np.ndarray, y: np.ndarray) -> dict[str, Callable[[], None]]:
    """The peers that are installed."""
    found = {"scikit-learn": sklearn_epochs(job, X, y)}
    if importlib.util.find_spec("torch"):
        found["PyTorch"] = torch_epochs(job, X, y)
    if importlib.util.find_spec("jax"):
        found["JAX jit"] = jax_epochs(job, X, y, whole=False)
        found["JAX scan"] = jax_epochs(job, X, y, whole=True)
    return found


class InTurns(dr.Callback):
    """After each of our epochs, one of each peer."""

    def __init__(self, peers: dict[str, Callable[[], None]]) -> None:
        self.peers = peers
        self.seconds: dict[str, list[float]] = {name: [] for name in peers}

    def on_epoch(self, moment: dr.Moment) -> None:
        """Time the peers."""
        for name, epoch in self.peers.items():
            start = time.perf_counter()
            epoch()
            self.seconds[name].append(time.perf_counter() - start)


def measured_peak() -> float:
    """Multiply-adds a second of a large float32 product, with all threads."""
    a = np.ones((2048, 2048), "f4")
    best = 1e9
    for _ in range(4):
        start = time.perf_counter()
        a @ a
        best = min(best, time.perf_counter() - start)
    return 2048**3 / best


def main() -> None:
    """Measure the jobs named on the command line, or all."""
    peak, results = measured_peak(), {}
    for name in sys.argv[1:] or JOBS:
        job = JOBS[name]
        X, y = data_of(job)
        turns = InTurns(peers_of(job, X, y))
        net = dr.Sequential(
            *(dr.Dense(n, "relu") for n in job.sizes[1:-1]), dr.Dense(job.sizes[-1])
        )
        run = dr.fit(
            net,
            X,
            y,
            loss="cross_entropy",
            epochs=job.epochs,
            batch_size=job.batch,
            seed=0,
            callbacks=[turns],
        )
        ours = [len(X) / rate for rate in run.history["rows_per_second"]]
        seconds = {"deltarule": ours, **turns.seconds}
        steps = {peer: statistics.median(s[1:]) / job.steps * 1e6 for peer, s in seconds.items()}
        steps["limit"] = job.multiply_adds / peak * 1e6
        first = {peer: s[0] for peer, s in seconds.items()}
        results[name] = {"microseconds_a_step": steps, "first_epoch_seconds": first}
        layers = "-".join(map(str, job.sizes))
        print(
            f"{name}: {layers}, batch {job.batch}, {THREADS} threads; "
            f"microseconds a step, medians of {job.epochs - 1} epochs"
        )
        for peer, value in steps.items():
            print(f"  {peer:<14}{value:>10.1f}{value / steps['deltarule']:>8.2f} x deltarule")
    write(
        "steps", {"threads": THREADS, "peak_multiply_adds": peak, "jobs": results}, "scikit-learn"
    )


if __name__ == "__main__":
    main()
