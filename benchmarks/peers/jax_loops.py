"""JAX: a jitted step in a loop of Python, and one jitted scan over a whole epoch.

The scan is the honest competitor: it too leaves Python out. Both get their arrays as arguments and may
overwrite weights and moments.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from . import Training
from jobs import Job

ACTIVATIONS = {"relu": jax.nn.relu, "tanh": jnp.tanh}


def jit(job: Job, X: Any, y: Any) -> Training:
    """One call a step; losses are fetched when the epoch is over."""
    inputs, targets = arrays(job, X, y)
    step = jax.jit(step_of(job), donate_argnums=0)
    order, carry = orders(job), [first(job)]

    def run() -> None:
        losses = []
        for rows in order():
            carry[0], loss = step(carry[0], inputs, targets, rows)
            losses.append(loss)
        jax.device_get(losses)

    return Training(run, job.steps * job.epochs)


def scan(job: Job, X: Any, y: Any) -> Training:
    """One call for all epochs of a turn."""
    inputs, targets = arrays(job, X, y)
    step = step_of(job)

    def whole(carry: Any, inputs: Any, targets: Any, order: Any) -> Any:
        return jax.lax.scan(lambda c, rows: step(c, inputs, targets, rows), carry, order)

    compiled = jax.jit(whole, donate_argnums=0)
    order, carry = orders(job), [first(job)]

    def run() -> None:
        carry[0], losses = compiled(carry[0], inputs, targets, order())
        np.asarray(losses)

    return Training(run, job.steps * job.epochs)


def arrays(job: Job, X: Any, y: Any) -> tuple[Any, Any]:
    """Inputs and targets as JAX keeps them."""
    return jnp.asarray(X), jnp.asarray(y, "int32" if job.classes else job.dtype)


def orders(job: Job) -> Callable[[], Any]:
    """The rows of each step of a turn, shuffled in each epoch; of a full batch, nothing."""
    rng = np.random.default_rng(0)
    if job.full:
        return lambda: np.zeros((job.epochs, 0), np.int32)
    everything = np.arange(job.rows, dtype=np.int32)

    def order() -> Any:
        shuffled = [rng.permutation(everything) for _ in range(job.epochs)]
        return np.concatenate(shuffled).reshape(-1, job.batch)

    return order


def first(job: Job) -> Any:
    """Weights with the moments and count of Adam, and running statistics.

    Before a normalization the bias would do nothing; beta has its place.
    """
    keys = jax.random.split(jax.random.key(0), len(job.layers))
    params, kept = [], []
    for key, (a, b) in zip(keys, job.layers, strict=True):
        weights = [jax.random.normal(key, (a, b), job.dtype) * (2 / a) ** 0.5]
        params.append((*weights, jnp.zeros(b, job.dtype)))
    if job.normalize:
        ones = [jnp.ones(b, job.dtype) for _, b in job.layers[:-1]]
        params = [*((*p, one) for p, one in zip(params, ones, strict=False)), params[-1]]
        kept = [(jnp.zeros_like(one), one + 0) for one in ones]
    if job.rule == "sgd":
        return params, kept
    moments = [jax.tree.map(jnp.zeros_like, params) for _ in range(2)]
    return (params, *moments, jnp.zeros((), job.dtype)), kept


def step_of(job: Job) -> Callable[..., Any]:
    """(carry, inputs, targets, rows) -> (carry, loss)."""
    activation = ACTIVATIONS[job.activation]
    update = adam if job.rule == "adam" else sgd

    def cost(params: Any, x: Any, t: Any) -> Any:
        seen = []
        for w, b, *gamma in params[:-1]:
            x = x @ w
            if gamma:
                x, moments = normalized(x, *gamma)
                seen.append(moments)
            x = activation(x + b)
        z = x @ params[-1][0] + params[-1][1]
        if not job.classes:
            return jnp.mean((z - t) ** 2), seen
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(z), t[:, None], 1)), seen

    def step(carry: Any, inputs: Any, targets: Any, rows: Any) -> Any:
        x, t = (inputs, targets) if job.full else (inputs[rows], targets[rows])
        trained, kept = carry
        params = trained if job.rule == "sgd" else trained[0]
        (loss, seen), grads = jax.value_and_grad(cost, has_aux=True)(params, x, t)
        kept = jax.tree.map(lambda old, new: 0.9 * old + 0.1 * new, kept, seen)
        return (update(trained, grads, job.rate), kept), loss

    return step


def normalized(x: Any, gamma: Any) -> tuple[Any, tuple[Any, Any]]:
    """gamma xhat, and what the running statistics take their share of."""
    mean, var, n = x.mean(0), x.var(0), x.shape[0]
    return gamma * (x - mean) / jnp.sqrt(var + 1e-5), (mean, var * n / (n - 1))


def sgd(params: Any, grads: Any, rate: float) -> Any:
    """w <- w - rate g."""
    return jax.tree.map(lambda p, g: p - rate * g, params, grads)


def adam(carry: Any, grads: Any, rate: float) -> Any:
    """Adam with its usual constants."""
    params, m, v, t = carry
    t = t + 1
    m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, grads)
    v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, grads)
    rate = rate * jnp.sqrt(1 - 0.999**t) / (1 - 0.9**t)
    params = jax.tree.map(lambda p, m, v: p - rate * m / (jnp.sqrt(v) + 1e-8), params, m, v)
    return params, m, v, t
