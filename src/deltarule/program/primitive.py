"""The record of a primitive and the table of all of them.

In: one declaration (``Primitive(...)`` in ``program/ops``). Out: everything that the rest of the house
iterates over. Calling a primitive evaluates it on arrays, or records it in the innermost trace among its
arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from deltarule.errors import GraphError
from deltarule.program.lowering import Lowering

Rule = Callable[..., Any]


class Trace(Protocol):
    """What records operations: see ``deltarule.derive.trace``."""

    level: int

    def record(
        self, primitive: Primitive, args: tuple[Any, ...], attrs: dict[str, Any] = ...
    ) -> Any:
        """Add one node and return its traced result."""


class Traced:
    """The base of traced values, known here so that a primitive can tell them from arrays."""

    __slots__ = ()
    within: Any  # a Trace
    __array_function__: Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Sample:
    """Arguments and attrs on which every check of a primitive is run.

    ``exact`` turns off comparisons with finite differences (kinks, singular points); there ``derivative``,
    one array per argument, is what the vjp of a cotangent of ones must give.
    """

    args: tuple[Any, ...]
    attrs: dict[str, Any] = field(default_factory=dict)
    derivative: tuple[Any, ...] | None = None


@dataclass(frozen=True, slots=True)
class ErrorSample:
    """Arguments that the type rule must refuse, with words the message must hold."""

    args: tuple[Any, ...]
    attrs: dict[str, Any]
    words: str


@dataclass(frozen=True, slots=True)
class Kink:
    """A point without a derivative, or where it is infinite, and the value that we take there."""

    where: str
    value: str


TABLE: dict[str, Primitive] = {}


@dataclass(frozen=True, eq=False, slots=True)
class Primitive:
    """All facts of one operation.

    Attributes
    ----------
    name : str
        Its word in printed graphs.
    doc : str
        One sentence with the formula.
    type_rule : callable
        ``(*types, **attrs) -> ArrayType``, or a tuple of them where the operation has several results.
    evaluate : callable
        ``(*arrays, **attrs) -> array`` in NumPy: the reference.
    vjp : callable or None
        ``(i, ct, y, *args, **attrs)``: the cotangent of argument i. None where no derivative exists.
    jvp : callable or None
        ``(tangents, y, *args, **attrs)``: the tangent of y; a tangent of None is zero.
    batch : callable
        ``(size, batched, *args, **attrs)``: the same over a new leading axis of the arguments marked in
        ``batched``.
    lowering : Lowering
        How a compiler computes it.
    notation : str
        LaTeX, ``{0}`` being the first argument.
    samples : callable
        ``(rng) -> list[Sample]``.
    kinks : tuple of Kink
        Where there is no derivative, and the value taken there.
    special : callable
        ``() -> list[Sample]``: those points, with their declared derivative.
    errors : tuple of ErrorSample
        What the type rule refuses.
    joint : bool
        The operation has several results and its vjp gives all cotangents at once:
        ``(needs, cts, ys, *args, **attrs)``; its jvp gives a list of tangents.
    """

    name: str
    doc: str
    type_rule: Rule
    evaluate: Rule
    vjp: Rule | None
    jvp: Rule | None
    batch: Rule
    lowering: Lowering
    notation: str
    samples: Callable[[np.random.Generator], list[Sample]]
    errors: tuple[ErrorSample, ...]
    kinks: tuple[Kink, ...] = ()
    special: Callable[[], list[Sample]] = list
    joint: bool = False

    def __post_init__(self) -> None:
        if self.name in TABLE:
            raise GraphError(f"primitive {self.name!r} is declared twice")
        TABLE[self.name] = self

    def __call__(self, *args: Any, **attrs: Any) -> Any:
        """Evaluate on arrays; record in the innermost trace among traced arguments."""
        trace = None
        for x in args:
            if isinstance(x, Traced) and (trace is None or x.within.level > trace.level):
                trace = x.within
        return self.evaluate(*args, **attrs) if trace is None else trace.record(self, args, attrs)

    def __repr__(self) -> str:
        return self.name


def innermost(args: Iterable[Any]) -> Trace | None:
    """The trace of the highest level among traced arguments."""
    trace = None
    for x in args:
        if isinstance(x, Traced) and (trace is None or x.within.level > trace.level):
            trace = x.within
    return trace


def lookup(name: str) -> Primitive:
    """The primitive of that name."""
    if name not in TABLE:
        raise GraphError(f"there is no primitive {name!r}; known: {', '.join(sorted(TABLE))}")
    return TABLE[name]


def primitives() -> Iterator[Primitive]:
    """All primitives, in order of declaration."""
    import deltarule.program.ops  # noqa: F401  (fills the table)

    return iter(TABLE.values())
