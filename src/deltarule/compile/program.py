"""A graph as something to call.

In: a closed ``Graph``. Out: ``Executable``: arrays in, arrays out, through machine code or, with
``DELTARULE_BACKEND=numpy``, through the interpreter.
"""

from __future__ import annotations

import os
import weakref
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from deltarule.compile.lower import schedule
from deltarule.compile.native import Native
from deltarule.compile.plan import Plan
from deltarule.compile.rewrite import rewrite
from deltarule.errors import CompileError, TypeRuleError
from deltarule.program import ArrayType, Graph, interpret

LONGEST = 200_000  # scalars and kernels of a plan; the time to compile grows with them
STAGES = ("graph", "rewrite", "plan", "llvm", "asm")
NONE: frozenset[int] = frozenset()


class Runner(Protocol):
    """What runs a program on arrays of the right types."""

    def __call__(self, arrays: Sequence[Any], donated: frozenset[int]) -> list[Any]:
        """The results; arrays at the places ``donated`` may be overwritten and returned."""


class Interpreted:
    """A graph, run by the interpreter."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    def __call__(self, arrays: Sequence[Any], donated: frozenset[int]) -> list[Any]:
        """The results, in memory of their own."""
        with np.errstate(all="ignore"):
            found = interpret(self.graph, *arrays)
        types = self.graph.result_types
        return [np.array(y, t.dtype).reshape(t.shape) for y, t in zip(found, types, strict=True)]


class Executable:
    """A compiled graph: called with one array per input, it gives a tuple of arrays.

    Attributes
    ----------
    graph : Graph
        As it was given.
    rewritten : Graph
        After the passes.
    plan : Plan
        Kernels and memory.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.rewritten = rewrite(graph)
        self.plan, codes = schedule(self.rewritten)
        self.run: Runner
        if reason := why_interpreted(self.plan):
            self.plan = replace(self.plan, interpreted=reason)
            self.run = Interpreted(self.rewritten)
        else:
            self.run = Native(self.plan, codes)

    def __call__(self, *arrays: Any, donated: frozenset[int] = NONE) -> tuple[Any, ...]:
        """The results on arrays, whose types are checked.

        Raises
        ------
        TypeRuleError
            Where an array has another shape or dtype than the graph's input.
        IndexError
            Where an index is out of range while the program runs.
        """
        types = self.graph.types
        if len(arrays) != len(types):
            wanted = f"{len(types)} arrays, {len(arrays)} are given"
            raise TypeRuleError(f"the program takes {wanted}")
        given = []
        for place, (kind, array) in enumerate(zip(types, arrays, strict=True)):
            x = ready(array)
            if x.shape != kind.shape or x.dtype != kind.dtype:
                have = ArrayType(x.shape, x.dtype)
                raise TypeRuleError(f"argument {place} should be {kind!r}, it is {have!r}")
            given.append(x)
        return tuple(self.run(given, donated))

    def show(self, stage: str = "plan") -> str:
        """The program as text at a stage: graph, rewrite, plan, llvm or asm."""
        if stage not in STAGES:
            raise ValueError(f"there is no stage {stage!r}; the stages are {', '.join(STAGES)}")
        early = {"graph": self.graph, "rewrite": self.rewritten, "plan": self.plan}
        if stage in early:
            return str(early[stage])
        if not isinstance(self.run, Native):
            raise CompileError(f"the program is interpreted: it has no stage {stage!r}")
        return self.run.module.text if stage == "llvm" else self.run.assembly()


def ready(x: Any) -> Any:
    """An array in row-major order whose elements are aligned; ``x`` itself if it is one."""
    if type(x) is np.ndarray and x.flags.carray:
        return x
    return np.require(x, requirements=["C_CONTIGUOUS", "ALIGNED"])


def why_interpreted(plan: Plan) -> str:
    """Why a plan is not compiled; empty where it is."""
    if backend() == "numpy":
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


BUILT: weakref.WeakValueDictionary[tuple[str, str], Executable] = weakref.WeakValueDictionary()
RECENT: deque[Executable] = deque(
    maxlen=16
)  # the next training of the same shapes compiles nothing


def build(graph: Graph) -> Executable:
    """The executable of a graph; an equal graph has the same one while that is in use or recent."""
    key = (graph.to_text(), backend())
    found = BUILT.get(key)
    if found is None:
        found = BUILT[key] = Executable(graph)
        RECENT.append(found)
    return found
