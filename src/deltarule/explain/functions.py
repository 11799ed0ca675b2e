"""Any function, line by line: what each line of the source computed, and the derivative with respect to it.

In: a function of NumPy code and its arguments. Out: ``Worked``: values of the graph with formulas
and source lines, then the chain rule from the result back to the arguments.
"""

from __future__ import annotations

import ast
import inspect
import linecache
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from deltarule.derive.backward import pull_back
from deltarule.derive.differentiate import leaf
from deltarule.derive.trace import Trace, result_node, tracing
from deltarule.derive.tracer import Tracer
from deltarule.derive.tree import flatten, paths, unflatten
from deltarule.errors import GradientError
from deltarule.explain.record import Quantity, Worked
from deltarule.explain.whole import Whole, computes
from deltarule.program import Node, ops, type_of
from deltarule.program.graph import sort

MOST = 400  # values with names of their own


def work_function(f: Callable[..., Any], args: Sequence[Any], argnums: Any) -> Worked:
    """Explain one call of a function and its gradient."""
    title = getattr(f, "__name__", "f")
    own = title if title.isidentifier() else "f"
    chosen = {argnums} if isinstance(argnums, int) else set(argnums)
    with tracing(known=True) as outer:
        tree, named, active = _leaves(f, args, chosen, outer)
        with tracing(known=True) as inner:
            inside = {
                name: inner.input(x.node.type, x, name in active, scalar=x.shape == ())
                for name, x in named.items()
            }
            result = _called(f, tree, inside, title, inner)
            order = list(sort((), (result,)))
        lines = _lines(order, [own, *named])
        wanted = [*(inside[name].node for name in active), *lines]
        cts = pull_back(inner, [result], [result.type.dtype.type(1)], wanted)
        at = {node: _outer(outer, inner.values[node]) for node in order}
        derivatives = {
            n: _outer(outer, ct) for n, ct in zip(wanted, cts, strict=True) if ct is not None
        }
        whole = Whole(outer.values)
        given = {name: x.node for name, x in inside.items()}
        at |= {x.node: named[name].node for name, x in inside.items()}
        found = _quantities(whole, given, lines, result, at, derivatives, own)
    return Worked(title, (tuple(found),), None, {}, ())


def _leaves(
    f: Callable[..., Any], args: Sequence[Any], chosen: set[int], outer: Trace
) -> tuple[list[Any], dict[str, Any], list[str]]:
    """The arguments with slots for their arrays, these traced, and names of the differentiated."""
    try:
        words = list(inspect.signature(f).parameters)
    except (TypeError, ValueError):
        words = []
    words += [f"x{i + 1}" for i in range(len(words), len(args))]
    if not chosen <= set(range(len(args))):
        raise GradientError(
            f"explain: argnums {sorted(chosen)} name no argument; {len(args)} are given"
        )
    tree, named, active = [], {}, []
    for i, arg in enumerate(args):
        leaves, spec = flatten(arg)
        own: list[Any] = []
        for x, path in zip(leaves, paths(spec), strict=True):
            name = words[i] + _keys(path)
            array = isinstance(x, np.ndarray) and x.dtype.kind == "f"
            if i not in chosen and not array:
                own.append(x)
                continue
            value = leaf(x, partial(str, f" {name}"), "explain")
            named[name] = outer.input(type_of(value), value, scalar=value.shape == ())
            own.append(_Slot(name))
            active += [name] if i in chosen else []
        tree.append(unflatten(spec, own))
    return tree, named, active


def _keys(path: str) -> str:
    """['w'][0] as .w.0"""
    keys = [key.strip("'\"") for key in path.strip("[]").split("][")]
    return "".join(f".{key}" for key in keys if key)


class _Slot:
    """Where a traced leaf is to be put."""

    def __init__(self, name: str) -> None:
        self.name = name


def _called(
    f: Callable[..., Any], tree: list[Any], inside: dict[str, Any], title: str, inner: Trace
) -> Node:
    leaves, spec = flatten(tree)
    put = [inside[x.name] if isinstance(x, _Slot) else x for x in leaves]
    y = f(*unflatten(spec, put))
    inner.verify()
    if not isinstance(y, Tracer):
        raise GradientError(
            f"explain: {title} returned {y!r}, which does not depend on its arguments"
        )
    node = result_node(inner, y)
    if node.type.shape or not node.type.is_float or node not in inner.active:
        raise GradientError(
            f"explain: {title} returned {node.type}; a gradient is that of one float that depends on the "
            "arguments. Sum it, np.sum(...)"
        )
    return node


def _outer(outer: Trace, x: Any) -> Node:
    return x.node if isinstance(x, Tracer) else outer.capture(np.asarray(x)[()])


def _lines(order: Sequence[Node], names: Sequence[str]) -> dict[Node, str]:
    """The last node of each run of a source line, with the variable that the line assigns."""
    found: dict[Node, str] = {}
    taken = dict.fromkeys(names, 0)
    nodes = [node for node in order if computes(node)]
    for i, node in enumerate(nodes):
        here = node.origin and (node.origin.code, node.origin.line)
        after = nodes[i + 1].origin if i + 1 < len(nodes) else None
        if after is not None and here == (after.code, after.line):
            continue
        name = _assigned(node)
        if not name and len(found) >= MOST:
            continue
        name = name or "v"
        known = name in taken
        taken[name] = taken.get(name, 0) + 1
        found[node] = (
            f"v{taken[name]}" if name == "v" else f"{name}_{taken[name]}" if known else name
        )
    return found


def _assigned(node: Node) -> str:
    """The variable that the source line of a node assigns."""
    if node.origin is None or node.origin.code is None:
        return ""
    line = linecache.getline(node.origin.code.co_filename, node.origin.line).strip()
    try:
        statement = ast.parse(line).body[0]
    except (SyntaxError, IndexError):
        return ""
    if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
        return statement.targets[0].id
    if isinstance(statement, ast.AugAssign) and isinstance(statement.target, ast.Name):
        return statement.target.id
    return ""


def _quantities(
    whole: Whole,
    given: dict[str, Node],
    lines: dict[Node, str],
    result: Node,
    at: dict[Node, Node],
    derivatives: dict[Node, Node],
    own: str,
) -> list[Quantity]:
    """Arguments, values line by line, derivatives back to the arguments."""
    outers = {name: at.get(node, node) for name, node in given.items()}
    for name, node in outers.items():
        whole.call(node, name)
    lines = {node: name for node, name in lines.items() if node is not result and name not in given}
    lines[result] = own
    for node, name in lines.items():
        whole.call(at[node], name)
    found = [_quantity(whole, node, name, "given", "input", False) for name, node in outers.items()]
    for node, name in _elements(outers, at.values()).items():
        if whole.call(node, name):
            found.append(replace(_quantity(whole, node, name, "given", "input", False), aside=True))
    for node, name in lines.items():
        found.append(
            _quantity(whole, at[node], name, "forward", "value", True, str(node.origin or ""))
        )
    named = [(node, name) for node, name in lines.items() if node is not result]
    backward = [*reversed(named), *((node, name) for name, node in given.items())]
    for node, name in backward:
        if node in derivatives and derivatives[node] not in whole.names:
            whole.call(derivatives[node], f"d{own}/d{name}")
    for node, name in backward:
        if node in derivatives:
            ct = derivatives[node]
            found.append(_quantity(whole, ct, f"d{own}/d{name}", "backward", "gradient", True))
    return found


def _elements(named: dict[str, Node], nodes: Iterable[Node]) -> dict[Node, str]:
    """Single elements that are read from the arguments: x[0]."""
    of = {node: name for name, node in named.items()}
    found = {}
    for node in nodes:
        if node.primitive is ops.slice and node.type.size == 1 and node.args[0] in of:
            places = ", ".join(map(str, node.attrs["start"]))
            found[node] = f"{of[node.args[0]]}[{places}]"
    return found


def _quantity(
    whole: Whole, node: Node, name: str, phase: str, role: str, formula: bool, where: str = ""
) -> Quantity:
    term = None
    if formula:
        other = whole.names.get(node) not in (None, name)
        term = whole.term(node) if other else whole.formula(node)
    value = np.asarray(whole.values[node])[()]
    value = value.item() if np.size(value) == 1 else value
    return Quantity(name, value, phase, role, 1, term, where=where)
