"""The front door: one call from a network and a row, or an example, to every number of a step.

In: what ``dr.fit`` takes, or an ``Example``. Out: ``Worked``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from deltarule.explain.example import Example
from deltarule.explain.names import Names, textbook
from deltarule.explain.neurons import Neurons
from deltarule.explain.record import Worked
from deltarule.explain.step import Task, doubled, forward, step
from deltarule.nn import loss_of
from deltarule.optim import optimizer_of


def work(example: Example, steps: int | None = None) -> Worked:
    """Work an example out."""
    net = example.sound().network()
    names = example_names(example)
    return _worked(
        net,
        example.x,
        example.targets,
        example.loss,
        example.optimizer,
        steps or example.steps,
        names,
        example.title,
    )


def explain(
    net: Any,
    x: Any,
    y: Any,
    loss: Any = "half_squared_error",
    optimizer: Any = "sgd",
    steps: int = 1,
) -> Worked:
    """Work a network's step out."""
    return _worked(net, x, y, loss, optimizer, steps, None, repr(net))


def _worked(
    net: Any, x: Any, y: Any, loss: Any, optimizer: Any, steps: int, names: Names | None, title: str
) -> Worked:
    params, state = doubled(net.params), doubled(net.state)
    rule = optimizer_of(optimizer)
    y = np.asarray(y)
    task = Task(
        net,
        np.asarray(x, float),
        y.astype(float) if y.dtype.kind == "f" else y,
        loss_of(loss),
        rule,
    )
    memory = doubled(rule.init(params))
    done = []
    for number in range(1, steps + 1):
        one = step(task, params, state, memory, number - 1)
        params, state, memory = one.params, one.forward.state, one.opt_state
        after = forward(task, params, state, number)
        names = names or textbook(one)
        done.append(Neurons(names, number).quantities(one, after))
    return Worked(title, tuple(done), getattr(rule, "learning_rate", None))


def example_names(example: Example) -> Names:
    """The example's own names."""
    names = Names(list(example.inputs), [list(layer.neurons) for layer in example.layers])
    for i, layer in enumerate(example.layers, 1):
        for j, (row, bias) in enumerate(zip(layer.weights, layer.biases, strict=True), 1):
            for k, name in enumerate(row, 1):
                names.places.setdefault(name, ("weight", i, j, k))
            names.places.setdefault(bias, ("bias", i, j, 0))
    for name in example.names:
        names.weights[(name,)] = np.array(name, object)
    return names
