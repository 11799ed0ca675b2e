"""Record what a function does to its arguments: traced values in, nodes out.

In: a Python function of arrays. Out: a ``Trace`` holding nodes, the values that are known while tracing, and the tape of
nodes that depend on a differentiated input. ``stage`` closes a trace over types alone into a ``Graph``.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from deltarule.derive.creation import creation_traced
from deltarule.derive.tracer import Tracer
from deltarule.errors import DeltaruleError, EscapedTracer, TypeRuleError
from deltarule.program import Graph, Node, Origin, Primitive, ops, type_of
from deltarule.program.types import ArrayType

_PACKAGE = os.path.dirname(os.path.dirname(__file__)) + os.sep
_NUMPY = os.path.dirname(np.__file__) + os.sep
_MISSING = object()


class _State(threading.local):
    """What is being traced in this thread."""

    def __init__(self) -> None:
        self.traces: list[Trace] = []
        self.scope = ""
        self.origin: Origin | None = None


STATE = _State()


@lru_cache(maxsize=None)
def _internal(file: str) -> bool:
    return file.startswith((_PACKAGE, _NUMPY, "<__array_function__"))


def caller() -> Origin:
    """The innermost line outside deltarule and NumPy, and the layer that is being called."""
    if STATE.origin is not None:
        return STATE.origin
    frame = sys._getframe(2)
    while frame is not None and _internal(frame.f_code.co_filename):
        frame = frame.f_back  # type: ignore[assignment]
    if frame is None:
        return Origin(None, 0, STATE.scope)
    return Origin(frame.f_code, frame.f_lasti, STATE.scope)


@contextmanager
def scope(name: str) -> Iterator[str]:
    """Nodes made inside carry this layer path."""
    outer = STATE.scope
    STATE.scope = f"{outer}.{name}" if outer else name
    try:
        yield STATE.scope
    finally:
        STATE.scope = outer


@lru_cache(maxsize=4096)
def _input_attrs(kind: ArrayType) -> dict[str, Any]:
    return {"type": repr(kind)}


class Trace:
    """One level of tracing.

    Attributes
    ----------
    level : int
        Inner traces have higher levels; an operation belongs to the highest level among its arguments.
    values : dict
        Node -> value, for all nodes if ``known`` (then Python may branch on them), else for constants made inside.
        A value may be a traced value of an outer level.
    tape : list of Node
        Nodes that depend on an active input, in order.
    """

    __slots__ = ("active", "captured", "known", "level", "open", "sites", "tape", "values")

    def __init__(self, level: int, known: bool) -> None:
        self.level = level
        self.known = known
        self.open = True
        self.values: dict[Node, Any] = {}
        self.active: set[Node] = set()
        self.tape: list[Node] = []
        self.captured: dict[int, tuple[Node, Any]] = {}
        self.sites: dict[str, int] = {}

    def input(self, kind: ArrayType, value: Any = _MISSING, active: bool = False, scalar: bool = False) -> Any:
        """A traced value for one argument."""
        node = Node(ops.input, (), _input_attrs(kind), kind)
        if value is not _MISSING:
            self.values[node] = value
        if active:
            self.active.add(node)
        return Tracer(self, node, scalar)

    def record(self, primitive: Primitive, args: tuple[Any, ...], attrs: dict[str, Any]) -> Any:
        """Add a node for ``primitive`` on ``args``, compute its value where those of the arguments are known."""
        if not self.open:
            raise escaped(self, primitive.name)
        nodes = tuple(x.node if type(x) is Tracer and x.trace is self else self.capture(x) for x in args)
        try:
            kind = primitive.type_rule(*[node.type for node in nodes], **attrs)
        except TypeRuleError as error:
            raise TypeRuleError(f"{error} ({caller()})") from None
        node = Node(primitive, nodes, attrs, kind, caller())
        values = self.values
        given = [values.get(arg, _MISSING) for arg in nodes]
        if _MISSING not in map(id_or_missing, given) and (given or self.known):
            values[node] = primitive(*given, **attrs)
        return self.add(node)

    def add(self, node: Node) -> Any:
        """Put a node on the tape if an active value reaches it; return its traced results."""
        active = self.active
        for arg in node.args:
            if arg in active:
                if node.type.__class__ is tuple or (node.type.is_float and differentiable(node.primitive)):
                    active.add(node)
                    self.tape.append(node)
                break
        if node.type.__class__ is tuple:
            return tuple(self.record(ops.result, (Tracer(self, node),), {"index": i}) for i in range(len(node.type)))
        return Tracer(self, node, node.type.shape == ())

    def call(self, args: tuple[Node, ...], results: tuple[Any, ...], attrs: dict[str, Any]) -> Any:
        """Put a call of foreign code on the tape, whose results are known already."""
        node = Node(ops.foreign, args, attrs, attrs["types"], caller())
        self.values[node] = results
        return self.add(node)

    def capture(self, x: Any) -> Node:
        """A node for a value from outside this trace: an array, a number, or a traced value of an outer level."""
        if isinstance(x, Tracer):
            if x.trace.level >= self.level or not x.trace.open:
                raise escaped(x.trace, "an operation")
        elif isinstance(x, np.ndarray) and not self.known and x.size and not any(x.strides):
            return self._constant(x)
        elif isinstance(x, (np.generic, bool, int, float, complex)):
            x = x if isinstance(x, np.generic) else np.asarray(x)[()]
            if not self.known:
                return self._literal(x)
        key = id(x)
        if key in self.captured:
            return self.captured[key][0]
        kind = type_of(x)
        node = Node(ops.input, (), _input_attrs(kind), kind)
        if self.known:
            self.values[node] = x
            if isinstance(x, np.generic):
                return node
        self.captured[key] = (node, x)
        return node

    def _literal(self, x: Any) -> Node:
        attrs = {"value": x.item(), "dtype": x.dtype}
        node = Node(ops.literal, (), attrs, ArrayType((), x.dtype))
        self.values[node] = x
        return node

    def _constant(self, x: np.ndarray[Any, Any]) -> Node:
        """One number repeated: a literal, broadcast."""
        number = self._literal(x[(0,) * x.ndim])
        if x.shape == ():
            return number
        node = Node(ops.broadcast, (number,), {"shape": x.shape}, type_of(x))
        self.values[node] = x
        return node

    def constant(self, x: Any) -> Any:
        """A traced value that depends on no input, made by ``np.zeros`` and the like."""
        return Tracer(self, self.capture(x))

    def site(self) -> str:
        """Name of the place in the program where a random number is drawn: layer path and occurrence."""
        n = self.sites[STATE.scope] = self.sites.get(STATE.scope, -1) + 1
        return f"{STATE.scope}#{n}"


def id_or_missing(value: Any) -> Any:
    """The sentinel itself, or None: so that ``in`` compares no arrays."""
    return _MISSING if value is _MISSING else None


def differentiable(primitive: Primitive) -> bool:
    """Whether a derivative can pass through."""
    return primitive.vjp is not None or primitive is ops.result


def escaped(trace: Trace, use: str) -> EscapedTracer:
    """The error for a traced value used after its trace had ended."""
    return EscapedTracer(
        f"a traced value was used by {use} after the function that it was traced in had returned ({caller()}). It was kept in "
        "a global, an attribute or a closure: return it from the function, or keep its number, dr.value(x)"
    )


@contextmanager
def tracing(known: bool) -> Iterator[Trace]:
    """Open a trace one level inside the current one."""
    trace = Trace(len(STATE.traces) + 1, known)
    STATE.traces.append(trace)
    outer, STATE.origin = STATE.origin, None
    try:
        with creation_traced(lambda: STATE.traces[-1] if STATE.traces else None):
            yield trace
    except (TypeError, ValueError) as error:
        if isinstance(error.__cause__, DeltaruleError):
            raise error.__cause__ from None
        raise
    finally:
        trace.open = False
        STATE.traces.pop()
        STATE.origin = outer


@dataclass(frozen=True, slots=True)
class Staged:
    """A closed graph, and the arrays that the function captured: they are its last inputs, in this order."""

    graph: Graph
    captured: tuple[Any, ...]


def stage(f: Callable[..., Sequence[Any]], types: Sequence[ArrayType]) -> Staged:
    """Trace ``f`` on types alone; it returns a sequence of values."""
    with tracing(known=False) as trace:
        inputs = [trace.input(kind, scalar=kind.shape == ()) for kind in types]
        outputs = [result_node(trace, y) for y in f(*inputs)]
        captured = tuple(trace.captured.values())
    nodes = tuple(x.node for x in inputs)
    return Staged(Graph((*nodes, *(n for n, _ in captured)), tuple(outputs)), tuple(x for _, x in captured))


def result_node(trace: Trace, y: Any) -> Node:
    """The node of a result, which may be a plain number or an outer value."""
    return y.node if isinstance(y, Tracer) and y.trace is trace else trace.capture(y)


def baked(staged: Staged) -> Graph:
    """The graph with its captured arrays (small ones, made by rules) written in as literals."""
    if not staged.captured:
        return staged.graph
    n = len(staged.graph.inputs) - len(staged.captured)
    old = staged.graph.inputs[n:]
    new = {}
    for node, x in zip(old, staged.captured, strict=True):
        attrs = {"value": tuple(np.ravel(x).tolist()), "dtype": x.dtype, "shape": x.shape}
        new[node] = Node(ops.literal, (), attrs, node.type)
    return substitute(staged.graph, staged.graph.inputs[:n], new)


def substitute(graph: Graph, inputs: Sequence[Node], new: dict[Node, Node], outputs: Sequence[Node] | None = None) -> Graph:
    """The graph over other ``inputs``, with some nodes replaced."""
    mapped: dict[Node, Node] = {node: node for node in inputs} | new
    for node in graph.nodes:
        if node not in mapped:
            args = tuple(mapped[arg] for arg in node.args)
            same = args == node.args
            mapped[node] = node if same else Node(node.primitive, args, node.attrs, node.type, node.origin)
    chosen = graph.outputs if outputs is None else outputs
    return Graph(tuple(inputs), tuple(mapped[node] for node in chosen))
