"""From an example, or a network and rows, to every number of its training steps.

In: an ``Example``, or what ``dr.fit`` takes. Out: ``Worked``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np

from deltarule.errors import DataError, ShapeError
from deltarule.explain.connections import layout
from deltarule.explain.example import Example
from deltarule.explain.matrices import Matrices
from deltarule.explain.names import Names, textbook
from deltarule.explain.network import upstream
from deltarule.explain.neurons import quantities
from deltarule.explain.record import Worked
from deltarule.explain.single import one_weight
from deltarule.explain.step import Pass, Step, Task, doubled, forward, step
from deltarule.nn import Module, loss_of
from deltarule.optim import grouped, optimizer_of

SMALL = 150  # numbers in weights, sums and outputs of a network that is explained neuron by neuron
ONE_WEIGHT = (
    "Rows and columns are counted from 0; long sums are cut short, results are of the whole."
)
MATRIX_FORM = (
    "In matrix form: a row for each example; ⊙ multiplies element by element, Σ adds over rows."
)


def work(example: Example, steps: int | None = None) -> Worked:
    """Work an example out.

    Parameters
    ----------
    example : Example
        From ``read``, or made in Python.
    steps : int, optional
        How many steps; by default as the example says.

    Raises
    ------
    DataError
        Where numbers are missing or contradict each other, with all reasons.
    """
    net = example.sound().network()
    loss = loss_of(upstream if example.loss == "upstream" else example.loss)
    task = Task(net, example.x, example.targets, loss, example.optimizer)
    facts = {name: said for name, said in _facts(task).items()}
    if example.source:
        facts = {"source": example.source, **facts}
    return _worked(task, steps or example.steps, example_names(example), example.title, facts)


def work_network(
    net: Module,
    x: Any,
    y: Any,
    loss: Any,
    optimizer: Any,
    steps: int,
    weight: str | None,
    seed: int,
) -> Worked:
    """Work out training steps of a network."""
    if not net.built:
        raise ShapeError(
            f"{net!r} has no weights yet: call net.init(X.shape, seed) or dr.fit(net, X, y) first"
        )
    x, y = np.asarray(x), np.asarray(y)
    if net.input_shape is not None and x.shape == net.input_shape:
        x, y = x[None], y[None]
    x = x.astype(np.float64) if x.dtype.kind in "biuf" else x
    net.check_inputs(x)
    y = y.astype(np.float64) if y.dtype.kind == "f" else y
    if not net.trainable:
        raise DataError(
            f"all weights of {net!r} are frozen: a step changes nothing; net.unfreeze('dense1')"
        )
    task = Task(net, x, y, loss_of(loss), optimizer_of(optimizer), seed)
    if weight is not None:
        (one, _), *_ = trace_steps(task, 1)
        found = one_weight(one, weight)
        return Worked(f"{weight} of {net!r}", (found,), None, _facts(task), (ONE_WEIGHT,))
    return _worked(task, steps, None, repr(net), _facts(task))


def _facts(task: Task) -> dict[str, str]:
    """What is trained how, in a line each."""
    facts = {"loss": task.loss.name.replace("_", " "), "update rule": _said(task.rule)}
    tuned = {path: _tuned(own) for path, own in task.net.tuned.items()}
    return facts | (
        {"trained otherwise": "; ".join(map(": ".join, tuned.items()))} if tuned else {}
    )


def _tuned(settings: dict[str, Any]) -> str:
    """How one weight is trained, where it is not as the others."""
    if not settings.get("trainable", True):
        return "frozen"
    return ", ".join(f"{name.replace('_', ' ')} {_figure(x)}" for name, x in settings.items())


def _said(rule: Any) -> str:
    """A rule with its settings, without those that are zero or off."""
    if not is_dataclass(rule):
        return repr(rule)
    pairs = [(f.name, getattr(rule, f.name)) for f in fields(rule)]
    given = (f"{name.replace('_', ' ')} {_figure(value)}" for name, value in pairs if value)
    return f"{type(rule).__name__}: {', '.join(given)}"


def _figure(setting: Any) -> str:
    """A number; a rule or schedule inside a rule with its own settings."""
    if isinstance(setting, (int, float)):
        return f"{setting:g}"
    return f"({_said(setting)})" if is_dataclass(setting) else repr(setting)


def _worked(
    task: Task, steps: int, names: Names | None, title: str, facts: dict[str, str]
) -> Worked:
    if isinstance(steps, bool) or not isinstance(steps, (int, np.integer)) or steps < 1:
        raise DataError(f"steps is how many steps to explain, at least 1, not {steps!r}")
    traced = trace_steps(task, steps)
    rate = _rate(task.rule)
    if names is None and not small(traced[0][0]):
        done = tuple(Matrices(*pair, number).quantities() for number, pair in enumerate(traced, 1))
        return Worked(title, done, rate, facts, (MATRIX_FORM,))
    own = names or textbook(traced[0][0])
    with np.errstate(all="ignore"):
        done = tuple(quantities(*pair, own, number) for number, pair in enumerate(traced, 1))
    drawn = layout(done[0], own)
    return Worked(title, done, rate, facts, (), drawn, _other_rates(task, steps, own))


def _rate(rule: Any) -> float | None:
    """The learning rate, where it is a number of the rule itself."""
    rate = getattr(rule, "learning_rate", None)
    return rate if isinstance(rate, float) else None


def trace_steps(task: Task, steps: int) -> list[tuple[Step, Pass]]:
    """The traced steps, and after each the same forward pass with the new weights."""
    params, state = doubled(task.net.params), doubled(task.net.state)
    tuned = task.tuned
    memory = doubled(grouped(task.rule, tuned.factors).init(tuned.trained(params)))
    done = []
    with np.errstate(all="ignore"):
        for count in range(steps):
            one = step(task, params, state, memory, count)
            params, memory = one.params, one.opt_state
            done.append((one, forward(task, params, state, count)))
            state = one.state
    return done


def _other_rates(task: Task, steps: int, names: Names) -> Callable[[float], Worked] | None:
    """The same with another learning rate, computed anew."""
    if _rate(task.rule) is None:
        return None

    def at(rate: float) -> Worked:
        other = replace(task, rule=replace(task.rule, learning_rate=rate))
        return _worked(other, steps, names, "", {})

    return at


def example_names(example: Example) -> Names:
    """The example's own names."""
    names = Names(list(example.inputs), [list(layer.neurons) for layer in example.layers])
    names.target = "u" if example.loss == "upstream" else "t"
    for i, layer in enumerate(example.layers, 1):
        for j, (row, bias) in enumerate(zip(layer.weights, layer.biases, strict=True), 1):
            for k, name in enumerate(row, 1 if layer.epsilon is None else 0):
                if name:
                    names.lead(name, "weight", i, j, k)
            if bias:
                names.lead(bias, "bias", i, j, 0)
    names.blocks = [f"layer{i}" for i in range(1, len(example.layers) + 1)]
    for name in example.names:
        names.weights[(name,)] = np.array(name, object)
    return names


def small(one: Step) -> bool:
    """Whether a network is explained neuron by neuron: few numbers, in rows of neurons."""
    found = one.forward
    marks = [found.at[node] for block in found.blocks for node in block.marks]
    rows = all(len(node.type.shape) == 2 for node in [found.inputs, *marks])
    numbers = sum(node.type.size for node in [*marks, *found.weights.values()])
    return rows and bool(found.blocks) and numbers <= SMALL
