"""Record what a function does to its arguments: traced values in, nodes out.

In: a Python function of arrays. Out: a ``Trace`` holding nodes, the values that are known while tracing,
and the tape of nodes that depend on a differentiated input. ``stage`` closes a trace over types alone into
a ``Graph``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter
from types import FrameType
from typing import Any, NamedTuple

import numpy as np

from deltarule.derive.creation import COMMAND_LINE, INTERNAL, STATE, put_back, put_in
from deltarule.derive.library import reach
from deltarule.derive.tracer import Tracer
from deltarule.errors import (
    DeltaruleError,
    EscapedTracer,
    NoRuleError,
    TracedValueError,
    TypeRuleError,
)
from deltarule.program import Graph, Node, Origin, Primitive, ops, type_of
from deltarule.program.interpret import REPLAYED
from deltarule.program.types import NAMES, ArrayType

_MISSING = object()
Strides = tuple[int, ...] | None  # of an array; None where its axes are in row-major order
_PLAIN: dict[str, Any] = {}  # the attrs of operations without any
_new = tuple.__new__
_type = attrgetter("type")
SNAPSHOT = (
    1 << 16
)  # captured arrays of at most so many bytes are copied: they may be written to later
SAMPLED = 1 << 10  # of larger ones, so many elements are looked at to notice that


def caller(depth: int = 2) -> Origin:
    """The innermost line of the user (not of deltarule, NumPy or another library), and the layer that is
    being called. So many frames belong to us for certain."""
    if REPLAYED.origin is not None:
        return REPLAYED.origin
    frame: FrameType | None = sys._getframe(depth)
    while frame is not None:
        if not INTERNAL[file := frame.f_code.co_filename]:
            if file.startswith(COMMAND_LINE):
                break
            return _new(Origin, (frame.f_code, frame.f_lasti, STATE.scope))
        frame = frame.f_back
    return Origin(None, 0, STATE.scope)


@contextmanager
def scope(name: str) -> Iterator[str]:
    """Nodes made inside carry this layer path."""
    outer = STATE.scope
    STATE.scope = f"{outer}.{name}" if outer else name
    try:
        yield STATE.scope
    finally:
        STATE.scope = outer


def label(name: str, x: Any) -> Any:
    """``x`` itself; where it is traced, explanations call it by this name."""
    if isinstance(x, Tracer):
        x.within.labels[x.node] = name
    return x


@lru_cache(maxsize=4096)
def _input_attrs(kind: ArrayType) -> dict[str, Any]:
    return {"type": repr(kind)}


class Captured(NamedTuple):
    """A value from outside a trace: its node, the object, its value, and a fingerprint to notice later
    changes."""

    node: Node
    source: Any
    value: Any
    mark: bytes


class Trace:
    """One level of tracing.

    Attributes
    ----------
    level : int
        Inner traces have higher levels; an operation belongs to the highest level among its arguments.
    values : dict
        Node -> value, for all nodes if ``known`` (then Python may branch on them), else for constants made
        inside and what follows from them. A value may be a traced value of an outer level.
    tape : list of Node
        Nodes that depend on an active input, in order.
    labels : dict
        Node -> what explanations call it.
    """

    __slots__ = (
        "active",
        "captured",
        "known",
        "labels",
        "level",
        "open",
        "sites",
        "strides",
        "tape",
        "values",
    )

    def __init__(self, level: int, known: bool) -> None:
        self.level = level
        self.known = known
        self.open = True
        self.values: dict[Node, Any] = {}
        self.strides: dict[Node, Strides] = {}  # of arrays whose order in memory is known
        self.active: set[Node] = set()
        self.tape: list[Node] = []
        self.captured: dict[Any, Captured] = {}
        self.labels: dict[Node, str] = {}
        self.sites: dict[str, int] = {}

    def input(
        self,
        kind: ArrayType,
        value: Any = _MISSING,
        active: bool = False,
        scalar: bool = False,
        weak: bool = False,
    ) -> Any:
        """A traced value for one argument."""
        node = Node(ops.input, (), _input_attrs(kind), kind)
        if value is not _MISSING:
            self.values[node] = value
        if active:
            self.active.add(node)
        return Tracer(self, node, scalar, weak)

    def record(
        self, primitive: Primitive, args: tuple[Any, ...], attrs: dict[str, Any] = _PLAIN
    ) -> Any:
        """Add a node for ``primitive`` on ``args``, compute its value where those of the arguments are
        known."""
        if not self.open:
            return self._afterwards(primitive, args, attrs)
        nodes = []
        for x in args:
            if type(x) is Tracer and x.within is self:
                nodes.append(x._node if x.base is None else x.node)
            else:
                nodes.append(self.capture(x))
        try:
            kind = primitive.type_rule(*map(_type, nodes), **attrs)
        except TypeRuleError as error:
            raise TypeRuleError(f"{error} ({caller()})") from None
        node = Node(primitive, tuple(nodes), attrs, kind, caller(3))
        values = self.values
        if self.known or (nodes and all(arg in values for arg in nodes)):
            run = primitive.evaluate if self.level == 1 else primitive
            values[node] = run(*map(values.__getitem__, nodes), **attrs)
        if type(kind) is tuple:
            return self._several(node)
        if (
            kind.dtype.kind in "fc"
            and (primitive.vjp is not None or primitive is ops.result)
            and not self.active.isdisjoint(nodes)
        ):
            self.active.add(node)
            self.tape.append(node)
        return Tracer(self, node, not kind.shape)

    def _afterwards(
        self, primitive: Primitive, args: tuple[Any, ...], attrs: dict[str, Any]
    ) -> Any:
        """An operation after the trace has ended, which only its constants take part in: as constants of
        the trace that is open now, as plain arrays outside of all."""
        given = [x.settled if type(x) is Tracer and not x.within.open else x for x in args]
        if any(x is None for x in given):
            raise escaped(self, primitive.name)
        if STATE.traces and not any(isinstance(x, Tracer) for x in given):
            given[0] = self.constant(given[0])
        return primitive(*given, **attrs)

    def _several(self, node: Node) -> tuple[Any, ...]:
        """The traced results of a node that has several."""
        if not self.active.isdisjoint(node.args):
            self.active.add(node)
            self.tape.append(node)
        whole = Tracer(self, node)
        count = len(node.type)  # type: ignore[arg-type]
        return tuple(self.record(ops.result, (whole,), {"index": i}) for i in range(count))

    def call(self, args: tuple[Node, ...], results: tuple[Any, ...], attrs: dict[str, Any]) -> Any:
        """Put a call of foreign code on the tape, whose results are known already."""
        node = Node(ops.foreign, args, attrs, attrs["types"], caller())
        self.values[node] = results
        return self._several(node)

    def capture(self, x: Any) -> Node:
        """A node for a value from outside this trace: an array, a number, or a traced value of an outer
        level."""
        if self.known and isinstance(x, np.generic) and (found := _SCALARS.get(x.dtype.char)):
            node = Node(ops.input, (), *found)
            self.values[node] = x
            return node
        if isinstance(x, Tracer):
            if not x.within.open and (kept := x.settled) is not None:
                return self.capture(kept)
            if x.within.level >= self.level or not x.within.open:
                raise escaped(x.within, "an operation")
            key = x.node
            known = self.captured.get(key)
            return (
                self._captured(key, x, Tracer(x.within, key), b"") if known is None else known.node
            )
        if isinstance(x, np.ndarray):
            return self._capture_array(x)
        x = x if isinstance(x, np.generic) else np.asarray(x)[()]
        if x.dtype not in NAMES:
            plain_array(np.asarray(x))
        if not self.known:
            return self._literal(x)
        kind = ArrayType((), x.dtype)
        node = Node(ops.input, (), _input_attrs(kind), kind)
        self.values[node] = x
        return node

    def _capture_array(self, x: np.ndarray[Any, Any]) -> Node:
        if type(x) is not np.ndarray or x.dtype not in NAMES:
            x = plain_array(x)
        if x.size and not any(x.strides):
            number = x[(0,) * x.ndim]
            if not self.known:
                return self._constant(number, x)
            x = ops.broadcast.evaluate(number, x.shape)
            return self._captured(None, x, x, b"")
        mark = fingerprint(x)
        key = id(x) if self.known else place_of(x)
        before = self.captured.get(key)
        if before is not None:
            if before.mark == mark:
                return before.node
            if x.nbytes > SNAPSHOT:
                raise changed(x)
            self.captured[before.node] = before
        value = x.copy("K") if self.known and x.nbytes <= SNAPSHOT else x
        return self._captured(key, x, value, mark)

    def _captured(self, key: Any, source: Any, value: Any, mark: bytes) -> Node:
        kind = type_of(value)
        node = Node(ops.input, (), _input_attrs(kind), kind)
        if isinstance(value, np.ndarray) and all(value.strides):
            self.strides[node] = tuple(step // value.itemsize for step in value.strides)
        if self.known:
            self.values[node] = value
        if key is not None:
            self.captured[key] = Captured(node, source, value, mark)
        return node

    def verify(self) -> None:
        """Raise where a large captured array was written to since: its value is not kept."""
        for kept in self.captured.values():
            if kept.mark and kept.value is kept.source and fingerprint(kept.source) != kept.mark:
                raise changed(kept.source)

    def _literal(self, x: Any) -> Node:
        attrs = {"value": x.item(), "dtype": x.dtype}
        node = Node(ops.literal, (), attrs, ArrayType((), x.dtype))
        self.values[node] = x
        return node

    def _constant(self, x: Any, whole: np.ndarray[Any, Any]) -> Node:
        """One number repeated: a literal, broadcast."""
        number = self._literal(x)
        if whole.shape == ():
            return number
        node = Node(ops.broadcast, (number,), {"shape": whole.shape}, type_of(whole))
        self.values[node] = whole
        return node

    def constant(self, x: Any) -> Any:
        """A traced value that depends on no input, made by ``np.zeros`` and the like. After the trace has
        ended it belongs to the one that is open now; outside of all it is a plain array."""
        if not self.open:
            return STATE.traces[-1].constant(x) if STATE.traces else np.array(x)[()]
        node = self.capture(x)
        if not isinstance(x, Tracer):
            self.values.setdefault(node, x)
        return Tracer(self, node)

    def filled(self, number: Any, shape: tuple[int, ...]) -> Any:
        """A constant, one NumPy number repeated: it takes no memory and stands as a literal in a graph."""
        x = ops.broadcast.evaluate(number, shape)
        if not self.open:
            return self.constant(x)
        node = self._captured(None, x, x, b"") if self.known else self._constant(number, x)
        return Tracer(self, node)

    def site(self) -> str:
        """Name of the place in the program where a random number is drawn: layer path and occurrence."""
        n = self.sites[STATE.scope] = self.sites.get(STATE.scope, -1) + 1
        return f"{STATE.scope}#{n}"


def place_of(x: np.ndarray[Any, Any]) -> Any:
    """What two arrays share that are the same elements of memory."""
    return (x.__array_interface__["data"][0], x.shape, x.strides, x.dtype)


def plain_array(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """An array of the base class; a matrix or a masked array computes otherwise than traced values do."""
    if isinstance(x, (np.matrix, np.ma.MaskedArray)):
        raise NoRuleError(
            f"a traced value meets a {type(x).__name__} ({caller()}); make it a plain "
            "array, np.asarray(x)"
        )
    x = np.asarray(x)
    if not x.dtype.isnative:
        x = x.astype(x.dtype.newbyteorder("="))
    if x.dtype not in NAMES:
        raise NoRuleError(
            f"a traced value meets an array of {x.dtype} ({caller()}); traced are bools, "
            "integers, floats and complex numbers"
        )
    return x


def fingerprint(x: np.ndarray[Any, Any]) -> bytes:
    """The bytes of a small array, a sample of those of a large one."""
    if x.nbytes <= SNAPSHOT:
        return x.tobytes()
    elements = x.reshape(-1) if x.flags.c_contiguous else x.flat
    return elements[:: x.size // SAMPLED].tobytes()


def changed(x: np.ndarray[Any, Any]) -> TracedValueError:
    """The error for a large array written to while it was being traced."""
    return TracedValueError(
        f"an array of {x.nbytes} bytes and shape {x.shape}, made outside the traced "
        "function, was written to after the function "
        "had used it: its derivative would use the new numbers. Pass it as an argument, "
        "or use a copy of it, np.copy(x)"
    )


# Attrs and type of the input node of a number, by the character of its dtype.
_SCALARS = {
    dtype.char: ({"type": repr(ArrayType((), dtype))}, ArrayType((), dtype)) for dtype in NAMES
}


def escaped(trace: Trace, use: str) -> EscapedTracer:
    """The error for a traced value used after its trace had ended."""
    return EscapedTracer(
        f"a traced value was used by {use} after the function that it was traced in had "
        f"returned ({caller()}). It was kept in "
        "a global, an attribute or a closure: return it from the function, or keep its "
        "number, dr.value(x)"
    )


class tracing:
    """Open a trace one level inside the current one."""

    def __init__(self, known: bool) -> None:
        self.trace = Trace(len(STATE.traces) + 1, known)

    def __enter__(self) -> Trace:
        STATE.traces.append(self.trace)
        self.outer, REPLAYED.origin = REPLAYED.origin, None
        reach()
        put_in()
        return self.trace

    def __exit__(self, kind: Any, error: BaseException | None, _: Any) -> None:
        put_back()
        self.trace.open = False
        STATE.traces.pop()
        REPLAYED.origin = self.outer
        if isinstance(error, (TypeError, ValueError)) and isinstance(
            error.__cause__, DeltaruleError
        ):
            raise error.__cause__ from None


@dataclass(frozen=True, slots=True)
class Staged:
    """A closed graph, and the arrays that the function captured: they are its last inputs, in this
    order."""

    graph: Graph
    captured: tuple[Any, ...]


def stage(
    f: Callable[..., Sequence[Any]],
    types: Sequence[ArrayType],
    weak: Sequence[bool] = (),
    strides: Sequence[Strides] = (),
) -> Staged:
    """Trace ``f`` on types alone; it returns a sequence of values. ``weak`` marks Python numbers, ``strides``
    says how arguments lie in memory."""
    with tracing(known=False) as trace:
        pairs = zip(types, weak or [False] * len(types), strict=True)
        inputs = [trace.input(kind, scalar=kind.shape == (), weak=flag) for kind, flag in pairs]
        nodes = tuple(x.node for x in inputs)
        trace.strides.update(zip(nodes, strides or [None] * len(nodes), strict=True))
        outputs = [result_node(trace, y) for y in f(*inputs)]
        captured = tuple(trace.captured.values())
        values = tuple(frozen(kept) for kept in captured)
    return Staged(Graph((*nodes, *(kept.node for kept in captured)), tuple(outputs)), values)


def frozen(kept: Captured) -> Any:
    """The value of a captured array: the array itself, or what it was where it has been written to
    since."""
    if not kept.mark or fingerprint(kept.source) == kept.mark:
        return kept.value
    if kept.source.nbytes > SNAPSHOT:
        raise changed(kept.source)
    return np.frombuffer(kept.mark, kept.source.dtype).reshape(kept.source.shape)


def result_node(trace: Trace, y: Any) -> Node:
    """The node of a result, which may be a plain number or an outer value."""
    return y.node if isinstance(y, Tracer) and y.within is trace else trace.capture(y)


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


def substitute(
    graph: Graph,
    inputs: Sequence[Node],
    new: dict[Node, Node],
    outputs: Sequence[Node] | None = None,
) -> Graph:
    """The graph over other ``inputs``, with some nodes replaced."""
    mapped: dict[Node, Node] = {node: node for node in inputs} | new
    for node in graph.nodes:
        if node not in mapped:
            args = tuple(mapped[arg] for arg in node.args)
            same = args == node.args
            mapped[node] = (
                node if same else Node(node.primitive, args, node.attrs, node.type, node.origin)
            )
    chosen = graph.outputs if outputs is None else outputs
    return Graph(tuple(inputs), tuple(mapped[node] for node in chosen))
