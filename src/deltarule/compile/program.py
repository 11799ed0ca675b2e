"""A graph as something to call.

In: a closed ``Graph``. Out: ``Executable``: arrays in, arrays out, through machine code or, with
``DELTARULE_BACKEND=numpy``, through the interpreter.
"""

from __future__ import annotations

import gc
import os
import sys
import weakref
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from deltarule.compile import cache
from deltarule.compile.binary import Binary, compiled, equations
from deltarule.compile.form import ONCE, Form
from deltarule.compile.llvm.addresses import is_known
from deltarule.compile.lower import schedule
from deltarule.compile.native import Native
from deltarule.compile.plan import Plan
from deltarule.compile.rewrite import rewrite
from deltarule.errors import CompileError, TypeRuleError
from deltarule.program import ArrayType, Graph, Node, interpret, lookup
from deltarule.program.lowering import Map

LONGEST = 200_000  # scalars and kernels of a plan; the time to compile grows with them
STAGES = ("graph", "rewrite", "plan", "llvm", "asm")
NONE: frozenset[int] = frozenset()


class Runner(Protocol):
    """What runs a program on arrays of the right types."""

    def __call__(self, arrays: Sequence[Any], donated: frozenset[int]) -> list[Any]:
        """The results; arrays at the places ``donated`` may be overwritten and returned."""


class Interpreted:
    """A graph, run by the interpreter."""

    def __init__(self, graph: Graph, form: Form = ONCE) -> None:
        form.check(graph)
        self.graph, self.form = graph, form

    def __call__(self, arrays: Sequence[Any], donated: frozenset[int]) -> list[Any]:
        """The results, in memory of their own."""
        with np.errstate(all="ignore"):
            found = self.loop(arrays) if self.form.rows else interpret(self.graph, *arrays)
        kinds = self.form.found(self.graph.result_types, self.form.steps(arrays))
        pairs = zip(found, kinds, strict=True)
        return [np.array(y, dtype).reshape(shape) for y, (shape, dtype) in pairs]

    def loop(self, arrays: Sequence[Any]) -> list[Any]:
        """The last carries, and the other results of every step."""
        c, last = self.form.carries, len(arrays) - self.form.rows
        consts, carry = arrays[: last - c], arrays[last - c : last]
        others: list[Any] = []
        for row in zip(*arrays[last:], strict=True):
            found = interpret(self.graph, *consts, *carry, *row)
            carry = found[:c]
            others.append(found[c:])
        return [*carry, *(np.stack(ys) for ys in zip(*others, strict=True))]


class Executable:
    """A compiled graph: called with one array per input, it gives a tuple of arrays.

    Machine code that is on disk already is loaded; then the graph is rewritten and planned only where
    somebody asks to see that.

    Parameters
    ----------
    graph : Graph
        What it computes.
    equal : Executable, optional
        That of a graph of the same text, whose machine code serves both.
    form : Form
        Whether it runs once or for each row, and with subnormal numbers or without.
    text : str, optional
        That of the graph, where it is known.

    Attributes
    ----------
    graph, form : Graph, Form
        As they were given.
    rewritten : Graph
        After the passes.
    plan : Plan
        Kernels and memory.
    """

    def __init__(
        self,
        graph: Graph,
        equal: Executable | None = None,
        form: Form = ONCE,
        text: str = "",
    ) -> None:
        form.check(graph)
        self.graph = graph
        self.form = form
        self.text = text
        self.backend = backend()
        self.run: Runner
        if equal is not None and isinstance(equal.run, Native):
            self.run = Native(equal.run.binary, graph, form, equal.run.code.library)
        elif binary := self.binary():
            self.run = Native(binary, graph, form)
        else:
            self.run = Interpreted(self.rewritten, form)

    def binary(self) -> Binary | None:
        """Machine code, from disk or made now; None where the program is interpreted."""
        if self.backend == "numpy":
            return None
        from deltarule.compile.llvm.load import this_processor

        name = name_of(self.graph, self.form, self.text)
        if found := cache.get(name):
            kept = Binary.of(*found)
            if all(map(is_known, kept.imports)):  # SciPy may be another one since
                return kept
        plan, codes = self.planned
        if plan.interpreted:
            return None
        binary = compiled(self.graph, plan, codes, this_processor())
        cache.put(name, binary.about(), binary.code)
        return binary

    @cached_property
    def rewritten(self) -> Graph:
        """The graph after the passes."""
        return rewrite(self.graph)

    @cached_property
    def planned(self) -> tuple[Plan, Sequence[Node]]:
        """The plan, and the nodes that machine code names by number."""
        plan, codes = schedule(self.rewritten, self.form)
        return replace(plan, interpreted=why_interpreted(plan, self.backend)), codes

    @property
    def plan(self) -> Plan:
        """Kernels and memory."""
        return self.planned[0]

    def __call__(self, *arrays: Any, donated: frozenset[int] = NONE) -> tuple[Any, ...]:
        """The results on arrays, whose types are checked.

        Raises
        ------
        TypeRuleError
            Where an array has another shape or dtype than the graph's input, or there is no row.
        IndexError
            Where an index is out of range while the program runs.
        """
        types = self.graph.types
        if len(arrays) != len(types):
            wanted = f"{len(types)} arrays, {len(arrays)} are given"
            raise TypeRuleError(f"the program takes {wanted}")
        given = [ready(array) for array in arrays]
        steps = self.form.steps(given)
        if steps < 1:
            raise TypeRuleError("the program runs once for each row, and there is none")
        for place, (x, kind) in enumerate(zip(given, self.form.given(types, steps), strict=True)):
            if (x.shape, x.dtype) != kind:
                want, have = ArrayType(*kind), ArrayType(x.shape, x.dtype)
                raise TypeRuleError(f"argument {place} should be {want!r}, it is {have!r}")
        return tuple(self.run(given, donated))

    def show(self, stage: str = "plan") -> str:
        """The program as text at a stage: graph, rewrite, plan, llvm or asm."""
        if stage not in STAGES:
            raise ValueError(f"there is no stage {stage!r}; the stages are {', '.join(STAGES)}")
        if stage in ("graph", "rewrite", "plan"):
            return str(getattr(self, "rewritten" if stage == "rewrite" else stage))
        if not isinstance(self.run, Native):
            raise CompileError(f"the program is interpreted: it has no stage {stage!r}")
        from deltarule.compile.llvm.load import assembly, this_processor
        from deltarule.compile.llvm.module import write

        processor = this_processor()
        text = write(self.plan, processor).text
        return text if stage == "llvm" else assembly(text, processor)


def ready(x: Any) -> Any:
    """An array in row-major order whose elements are aligned; ``x`` itself if it is one."""
    if type(x) is np.ndarray:
        flags = x.flags
        if flags.carray or (flags.c_contiguous and flags.aligned):
            return x
    return np.array(x, order="C")


def why_interpreted(plan: Plan, backend: str) -> str:
    """Why a plan is not compiled; empty where it is."""
    if backend == "numpy":
        return "DELTARULE_BACKEND is numpy"
    if plan.length > LONGEST:
        return f"it is {plan.length} operations long; at most {LONGEST} are compiled"
    return ""


def backend() -> str:
    """``llvm``, or what DELTARULE_BACKEND says."""
    word = os.environ.get("DELTARULE_BACKEND", "llvm")
    if word not in ("llvm", "numpy"):
        raise CompileError(f"DELTARULE_BACKEND is {word!r}; it can be llvm or numpy")
    return word


def name_of(graph: Graph, form: Form = ONCE, text: str = "") -> str:
    """The name under which machine code is kept: all that decides what it is and where it runs."""
    from deltarule.compile.llvm.load import this_processor, version

    text = text or graph.to_text()
    words = [repr(lookup(word).lowering) for word in sorted(maps(graph))]
    python = f"{sys.implementation.cache_tag} {object.__basicsize__} NumPy {np.__version__}"
    return cache.name_of(text, repr(form), *words, repr(this_processor()), version(), python)


def maps(graph: Graph) -> set[str]:
    """Names of the elementwise primitives of a graph: the expression of each is part of a program."""
    nodes = equations(graph)
    return {node.primitive.name for node in nodes if isinstance(node.primitive.lowering, Map)}


BUILT: weakref.WeakValueDictionary[tuple[str, Form, str], Executable] = (
    weakref.WeakValueDictionary()
)
RECENT: deque[Executable] = deque(
    maxlen=16
)  # the next training of the same shapes compiles nothing


def build(graph: Graph, form: Form = ONCE) -> Executable:
    """The executable of a graph; graphs of equal text share their code while it is in use or recent."""
    text = graph.to_text()
    key = (text, form, backend())
    found = BUILT.get(key)
    if found is None or not same_origins(found.graph, graph):
        with uncollected():
            found = BUILT[key] = Executable(graph, found, form, text)
        RECENT.append(found)
    return found


@contextmanager
def uncollected() -> Iterator[None]:
    """Without the search for cycles, of which we make none: it walks again and again over all that a large
    graph becomes, and takes longer than the compiler itself."""
    searching = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if searching:
            gc.enable()


def same_origins(one: Graph, other: Graph) -> bool:
    """Whether the equations of two graphs of the same text came from the same places."""
    pairs = zip(equations(one), equations(other), strict=True)
    return all(a.origin == b.origin for a, b in pairs)
