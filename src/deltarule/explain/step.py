"""One training step, traced with its numbers: forward, loss, backward, update.

In: a network, rows, a loss, an update rule. Out: a ``Step``: the nodes of the graph that trains,
each with its value in float64, and which of them are inputs, sums, outputs, gradients, new weights.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np

from deltarule.derive.backward import pull_back
from deltarule.derive.trace import Trace, scope, tracing
from deltarule.derive.tracer import Tracer
from deltarule.derive.tree import flatten, unflatten
from deltarule.derive.ufuncs import network_types
from deltarule.errors import DataError
from deltarule.explain.blocks import Block, blocks
from deltarule.explain.unroll import loops, unrolled
from deltarule.nn import Loss, Module
from deltarule.nn.nested import Path, flat, merged, nested
from deltarule.nn.tuning import Tunings
from deltarule.optim import grouped, searches
from deltarule.program import Node, ops, random, type_of
from deltarule.program.graph import sort

FLOAT = np.dtype(np.float64)
Leaves = dict[Path, Node]


@dataclass(slots=True)
class Pass:
    """Forward and error of one step. Nodes are those of the outer trace, where every value is a number."""

    inputs: Node
    targets: Node
    weights: Leaves  # all
    trained: set[Path]
    blocks: list[Block]  # of nodes of the inner trace
    at: dict[Node, Node]  # a node of the inner trace -> that of the outer
    output: Node
    loss: Node
    held: Leaves  # what the network keeps itself
    kept: Leaves  # what becomes of it
    values: dict[Node, Any]
    order: list[Node]  # the nodes of the loss, arguments first


@dataclass(slots=True)
class Step:
    """A whole step.

    Attributes
    ----------
    forward : Pass
        Forward and error.
    backward : dict
        Node of the forward pass -> node of the loss's derivative with respect to it, where one is
        computed: not before the first weight.
    gradients, updated : dict
        Of each weight that is trained, by path.
    memory, remembered : dict
        What the update rule keeps: before and after.
    settings : dict
        Numbers of the update rule, by name.
    """

    forward: Pass
    backward: dict[Node, Node]
    gradients: Leaves
    updated: Leaves
    memory: Leaves
    remembered: Leaves
    settings: dict[str, Node]
    between: list[Node]  # of the backward pass, in order
    products: list[Node]  # of the update, in order, where it multiplies matrices; else none
    params: Any
    opt_state: Any

    @property
    def values(self) -> dict[Node, Any]:
        """The number of every node."""
        return self.forward.values

    @property
    def state(self) -> Any:
        """What the network keeps itself, after the step."""
        return nested((path, self.values[node]) for path, node in self.forward.kept.items())


@dataclass(frozen=True, slots=True)
class Task:
    """What is trained on what: everything that does not change between steps."""

    net: Module
    x: Any
    y: Any
    loss: Loss
    rule: Any
    seed: int = 0

    @property
    def tuned(self) -> Tunings:
        """How each weight is trained."""
        return Tunings.of(self.net)


def doubled(tree: Any) -> Any:
    """A tree of arrays in float64."""
    leaves, spec = flatten(tree)
    wide = [
        x.astype(FLOAT) if np.asarray(x).dtype.kind == "f" else x for x in map(np.asarray, leaves)
    ]
    return unflatten(spec, wide)


def forward(task: Task, params: Any, state: Any, count: int) -> Pass:
    """Forward and error alone."""
    with tracing(known=True) as outer, network_types():
        return _forward(task, outer, _inputs(outer, params), state, count)[1]


def step(task: Task, params: Any, state: Any, opt_state: Any, count: int) -> Step:
    """Forward, error, backward and update from these weights."""
    with tracing(known=True) as outer, network_types():
        given = _inputs(outer, params)
        traced, found = _forward(task, outer, given, state, count)
        inner = traced[0]
        named = [node for block in found.blocks for node in block.marks]
        marks = [node for node in named if node in inner.active]
        known = len(outer.values)
        with scope("backward"):
            shapes = {path: x.shape for path, x in given.items() if path in found.trained}
            grads, cts = _backward(outer, traced, shapes, marks)
        between = list(outer.values)[known:]
        memory = _inputs(outer, opt_state)
        rule, settings = _symbolic(task.rule, outer)
        trained, tuned = nested((path, given[path]) for path in shapes), task.tuned
        known = len(outer.values)
        with scope("the optimizer's step"):
            kept, rule = nested(memory.items()), grouped(rule, tuned.factors)
            if searches(rule):
                objective = _objective(task, nested(given.items()), state, count)
                updated, new_state, _ = rule.descend(objective, trained, kept)
            else:
                updated, new_state = rule.step(trained, nested(grads.items()), kept)
            updated = tuned.bounded(updated)
        changes = list(outer.values)[known:]
        nodes = {k: _node(outer, v) for k, v in flat(updated)}
        remembered = {k: _node(outer, v) for k, v in flat(new_state)}
        backward = {found.at[mark]: ct for mark, ct in cts.items()}
        values = outer.values
    return Step(
        found,
        backward,
        {k: _node(outer, v) for k, v in grads.items()},
        nodes,
        {k: v.node for k, v in memory.items()},
        remembered,
        settings,
        between,
        changes if any(map(_multiplies, changes)) else [],
        merged(params, nested((k, values[v]) for k, v in nodes.items())),
        nested((k, values[v]) for k, v in remembered.items()),
    )


def _multiplies(node: Node) -> bool:
    """Whether a node is a product of matrices."""
    shapes = [arg.type.shape for arg in node.args] if node.primitive is ops.matmul else []
    return bool(shapes) and all(len(shape) == 2 for shape in shapes)


def _objective(task: Task, params: Any, state: Any, count: int) -> Callable[[Any], Any]:
    """The error, penalties included, as a function of the weights that are trained, for a rule that
    evaluates it at several."""

    def error(trained: Any) -> Any:
        given = {"key": random.key(task.seed), "step": np.int64(count)}
        penalties = task.tuned.penalties(trained)
        weights = merged(params, trained)
        output, _ = task.net.apply(weights, state, task.x, train=True, penalties=penalties, **given)
        return sum(penalties, task.loss(output, task.y))

    return error


def _inputs(trace: Trace, tree: Any) -> dict[Path, Any]:
    """A traced value for each leaf of a nested dict."""
    return {path: _input(trace, x) for path, x in flat(tree)}


def _input(trace: Trace, x: Any) -> Any:
    x = np.asarray(x)[()]
    return trace.input(type_of(x), x, scalar=x.shape == ())


def _node(trace: Trace, x: Any) -> Node:
    """The node of a value; of several results, that which they are results of."""
    if isinstance(x, tuple):
        return _node(trace, x[0]).args[0]
    return x.node if isinstance(x, Tracer) else trace.capture(np.asarray(x))


def _forward(
    task: Task, outer: Trace, given: dict[Path, Any], state: Any, count: int
) -> tuple[Any, Pass]:
    """Run the network in a trace inside ``outer``."""
    x, y = _input(outer, task.x), _input(outer, task.y)
    held, tuned = _inputs(outer, state), task.tuned
    trained = {path for path, one in tuned.weights.items() if one.trainable}
    with tracing(known=True) as inner:
        tree = {
            path: inner.input(v.node.type, v, active=path in trained, scalar=v.shape == ())
            for path, v in given.items()
        }
        data = inner.input(x.node.type, x, active=False)
        kept = nested((path, inner.constant(v)) for path, v in held.items())
        key, at_step = random.key(task.seed), np.int64(count)
        penalties = tuned.penalties(nested((path, tree[path]) for path in tree if path in trained))
        output, new_state = task.net.apply(
            nested(tree.items()),
            kept,
            data,
            train=True,
            key=key,
            step=at_step,
            penalties=penalties,
        )
        _check(output, inner, "the network's output")
        with scope(f"the loss {task.loss.name}"):
            error = sum(penalties, task.loss(output, inner.constant(y)))
        _check(error, inner, f"the loss {task.loss.name}")
        order = list(sort((), (error.node,)))
        after = {path: inner.values[_node(inner, v)] for path, v in flat(new_state)}
    ends, leaves = [data.node, output.node, error.node], {k: v.node for k, v in tree.items()}
    if loops(order):
        inner, order, ends, leaves = _unrolled(inner, order, ends, leaves)
    seen = [node for node in leaves.values() if node in order]
    cut = blocks(order, ends[0], ends[1], seen, inner.labels)
    at = {node: _node(outer, inner.values[node]) for node in order}
    weights = {path: v.node for path, v in given.items()}
    found = Pass(
        x.node,
        y.node,
        weights,
        trained,
        cut,
        at,
        at[ends[1]],
        at[ends[2]],
        {path: v.node for path, v in held.items()},
        {path: _node(outer, v) for path, v in after.items()},
        outer.values,
        [at[node] for node in order],
    )
    return (inner, ends[2], leaves), found


def _unrolled(
    inner: Trace, order: list[Node], ends: list[Node], leaves: Leaves
) -> tuple[Trace, list[Node], list[Node], Leaves]:
    """The same trace with its loops written out."""
    with tracing(known=True) as written:
        found = unrolled(order, inner, written)
        ends = [found[node].node for node in ends]
        leaves = {path: found[node].node for path, node in leaves.items() if node in found}
        written.labels = {found[n].node: word for n, word in inner.labels.items() if n in found}
    return written, list(sort((), (ends[2],))), ends, leaves


def _check(x: Any, inner: Trace, what: str) -> None:
    if not (isinstance(x, Tracer) and x.node in inner.active):
        raise DataError(
            f"{what} does not depend on the network's weights: there is nothing to explain"
        )


def _backward(
    outer: Trace, traced: Any, paths: dict[Path, tuple[int, ...]], marks: list[Node]
) -> tuple[dict[Path, Any], dict[Node, Node]]:
    """Gradients of the weights, and the derivative with respect to each mark."""
    inner, error, leaves = traced
    wanted = [*(leaves[path] for path in paths if path in leaves), *marks]
    cts = dict(zip(wanted, pull_back(inner, [error], [FLOAT.type(1)], wanted), strict=True))

    def derivative(node: Node | None, shape: tuple[int, ...]) -> Any:
        ct = None if node is None else cts[node]
        return outer.constant(np.zeros(shape)) if ct is None else ct

    grads = {path: derivative(leaves.get(path), shape) for path, shape in paths.items()}
    found = {mark: _node(outer, derivative(mark, mark.type.shape)) for mark in marks}
    return grads, found


def _symbolic(rule: Any, outer: Trace, prefix: str = "") -> tuple[Any, dict[str, Node]]:
    """The rule with its numbers traced, so that formulas name them; zeros and switches stay.

    Settings of a rule inside it keep their names, those of a schedule begin with its place.
    """
    if not is_dataclass(rule) or isinstance(rule, type):
        return rule, {}
    copy: Any = object.__new__(type(rule))
    settings = {}
    for item in fields(rule):
        value, name = getattr(rule, item.name), prefix + item.name
        if isinstance(value, float) and value:
            traced = _input(outer, np.float64(value))
            settings[name], value = traced.node, traced
        elif is_dataclass(value):
            inside = prefix if item.name == "rule" else f"{name}_"
            value, found = _symbolic(value, outer, inside)
            settings |= found
        object.__setattr__(copy, item.name, value)
    return copy, settings
