"""PyTorch: the loop of its tutorials; the same with a fused rule; the same through torch.compile."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import torch

from . import Training
from jobs import Job

ACTIVATIONS = {"relu": torch.nn.ReLU, "tanh": torch.nn.Tanh}


def eager(job: Job, X: Any, y: Any) -> Training:
    """Operations one by one, and the rule as it comes."""
    return training(job, X, y, fused=None)


def fused(job: Job, X: Any, y: Any) -> Training:
    """The update of all weights in one kernel."""
    return training(job, X, y, fused=True)


def compiled(job: Job, X: Any, y: Any) -> Training:
    """Forward, loss and backward through torch.compile."""
    return training(job, X, y, fused=None, wrap=torch.compile)


def training(
    job: Job, X: Any, y: Any, fused: bool | None, wrap: Callable[[Any], Any] = lambda f: f
) -> Training:
    """Batches by index from tensors in memory."""
    torch.set_num_threads(int(os.environ["DELTARULE_THREADS"]))
    torch.manual_seed(0)
    layers: list[Any] = []
    for a, b in job.layers:
        norm = [torch.nn.BatchNorm1d(b)] if job.normalize else []
        layers += [torch.nn.Linear(a, b), *norm, ACTIVATIONS[job.activation]()]
    net = torch.nn.Sequential(*layers[: -2 if job.normalize else -1]).to(getattr(torch, job.dtype))
    rules = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}
    rule = rules[job.rule](net.parameters(), job.rate, fused=fused)
    inputs, targets = torch.from_numpy(X), torch.from_numpy(y)
    functional = torch.nn.functional
    criterion = functional.cross_entropy if job.classes else functional.mse_loss

    @wrap
    def cost(x: Any, t: Any) -> Any:
        return criterion(net(x), t)

    def step(x: Any, t: Any) -> float:
        rule.zero_grad()
        loss = cost(x, t)
        loss.backward()
        rule.step()
        return float(loss.item())

    def epoch() -> list[float]:
        if job.full:
            return [step(inputs, targets)]
        order = torch.randperm(job.rows).split(job.batch)
        return [step(inputs[rows], targets[rows]) for rows in order]

    return Training(lambda: [epoch() for _ in range(job.epochs)], job.steps * job.epochs)
