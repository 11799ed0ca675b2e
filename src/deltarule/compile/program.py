"""A graph as something to call.

In: a closed ``Graph``. Out: ``Executable``: arrays in, arrays out, through machine code or, with ``DELTARULE_BACKEND=numpy``,
through the interpreter.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from deltarule.compile.plan import Plan
from deltarule.compile.rewrite import rewrite
from deltarule.compile.schedule import schedule
from deltarule.errors import CompileError, TypeRuleError
from deltarule.program import ArrayType, Graph, Node, interpret


ALIGNMENT = 64
LONGEST = 200_000  # scalar operations of a plan; the time to compile grows with them
STATE = np.dtype("int64")
STAGES = ("graph", "rewrite", "plan", "llvm", "asm")
CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_int64, ctypes.c_void_p)


class Native:
    """Machine code of one plan. Calls from several threads at once are right: each has its own workspace."""

    def __init__(self, plan: Plan, codes: Sequence[Node]) -> None:
        from deltarule.compile.llvm.load import load, processor
        from deltarule.compile.llvm.module import ENTRY, write

        self.plan = plan
        self.codes = codes
        self.module = write(plan, processor())
        library = load(self.module.text, (ENTRY,), self.module.imports)
        self._run = library.function(ENTRY, ctypes.c_int32, ctypes.c_void_p)
        self._pool: list[tuple[Any, Any]] = []
        self._failed = threading.local()
        self._callback = CALLBACK(self._opaque)
        self._opaques = {kernel.code: kernel for kernel in plan.opaque}
        self._table = ctypes.c_void_p * (len(plan.inputs) + len(plan.outputs) + 2)
        self._results = [(t.shape, t.dtype) for t in plan.outputs]

    def __call__(self, arrays: Sequence[Any], donated: frozenset[int] = frozenset()) -> tuple[Any, ...]:
        results = [np.empty(shape, dtype) for shape, dtype in self._results]
        if donated:
            self._reuse(arrays, donated, results)
        arena, state = self._pool.pop() if self._pool else self._workspace()
        table = self._table(*map(id, arrays), *map(id, results), id(arena), id(state))
        failed = self._run(table)
        if failed:
            self._raise(state)
        self._pool.append((arena, state))
        return tuple(results)

    def _reuse(self, arrays: Sequence[Any], donated: frozenset[int], results: list[Any]) -> None:
        """Put results into arrays that were given away, where that is safe."""
        for i, j in sorted(self.plan.in_place):
            mine = all(arrays[i] is not x for k, x in enumerate(arrays) if k != i)
            if i in donated and mine and not any(arrays[i] is y for y in results):
                results[j] = arrays[i]

    def _workspace(self) -> tuple[Any, Any]:
        state = np.zeros(4, STATE)
        state[3] = ctypes.cast(self._callback, ctypes.c_void_p).value
        return np.empty(self.plan.arena + ALIGNMENT, np.int8), state

    def _raise(self, state: Any) -> None:
        error = getattr(self._failed, "error", None)
        if error is not None:
            self._failed.error = None
            raise error
        code, index, size = (int(n) for n in state[:3])
        node = self.codes[code - 1]
        where = f" at {node.origin}" if node.origin and str(node.origin) else ""
        raise IndexError(
            f"index {index} is out of bounds for an axis of size {size}, in {node.primitive.name}{where}"
        )

    def _opaque(self, code: int, addresses: int) -> int:
        """NumPy's evaluation of one node, on the arrays at the addresses."""
        try:
            kernel = self._opaques[code]
            (node,) = kernel.nodes
            views = (*kernel.args, *kernel.outs)
            places = (ctypes.c_void_p * len(views)).from_address(addresses)
            arrays = [_at(p, v.shape, v.dtype) for p, v in zip(places, views, strict=True)]
            args, outs = arrays[: len(kernel.args)], arrays[len(kernel.args) :]
            with np.errstate(all="ignore"):
                found = node.primitive.evaluate(*args, **node.attrs)
            for out, value in zip(outs, found if isinstance(node.type, tuple) else (found,), strict=True):
                out[...] = value
            return 0
        except BaseException as error:  # raised again when the native call is back
            self._failed.error = error
            return 1


def _at(address: int | None, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
    """The array that lies at an address."""
    size = int(np.prod(shape)) * dtype.itemsize
    if not size:
        return np.empty(shape, dtype)
    memory = (ctypes.c_char * size).from_address(address or 0)
    return np.frombuffer(memory, dtype).reshape(shape)


class Interpreted:
    """The rewritten graph, run by the interpreter."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    def __call__(self, arrays: Sequence[Any], donated: frozenset[int] = frozenset()) -> tuple[Any, ...]:
        with np.errstate(all="ignore"):
            found = interpret(self.graph, *arrays)
        kinds = self.graph.result_types
        return tuple(np.array(y, t.dtype).reshape(t.shape) for y, t in zip(found, kinds, strict=True))


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
        self._call: Callable[..., tuple[Any, ...]]
        if reason := _why_interpreted(self.plan):
            self.plan = replace(self.plan, interpreted=reason)
            self._call = Interpreted(self.rewritten)
        else:
            self._call = Native(self.plan, codes)
        self._types = [(t.shape, t.dtype) for t in graph.types]

    def __call__(self, *arrays: Any, donated: frozenset[int] = frozenset()) -> tuple[Any, ...]:
        types = self._types
        if len(arrays) != len(types):
            raise TypeRuleError(f"the program takes {len(types)} arrays, {len(arrays)} are given")
        given = []
        for (shape, dtype), x in zip(types, arrays, strict=True):
            if type(x) is not np.ndarray or not x.flags.carray:
                x = _as_given(x)
            if x.shape != shape or x.dtype != dtype:
                want, have = ArrayType(shape, dtype), ArrayType(x.shape, x.dtype)
                raise TypeRuleError(f"argument {len(given)} should be {want!r}, it is {have!r}")
            given.append(x)
        return self._call(given, donated)

    def show(self, stage: str = "plan") -> str:
        """The program as text at a stage: graph, rewrite, plan, llvm or asm."""
        if stage not in STAGES:
            raise ValueError(f"there is no stage {stage!r}; the stages are {', '.join(STAGES)}")
        if stage in ("graph", "rewrite"):
            return str(self.graph if stage == "graph" else self.rewritten)
        if stage == "plan":
            return str(self.plan)
        if not isinstance(self._call, Native):
            raise CompileError(f"the program is interpreted: it has no stage {stage!r}")
        if stage == "llvm":
            return self._call.module.text
        from deltarule.compile.llvm.load import assembly

        return assembly(self._call.module.text)


def _why_interpreted(plan: Plan) -> str:
    """Why a plan is not compiled; empty where it is."""
    if backend() == "numpy":
        return "DELTARULE_BACKEND is numpy"
    if plan.length > LONGEST:
        return f"{plan.length} scalar operations are more than {LONGEST}, the most that are compiled"
    return ""


def _as_given(x: Any) -> Any:
    """As an aligned array in row-major order."""
    return np.require(x, requirements=["C_CONTIGUOUS", "ALIGNED"])


def backend() -> str:
    """``llvm``, or what DELTARULE_BACKEND says."""
    word = os.environ.get("DELTARULE_BACKEND", "llvm")
    if word not in ("llvm", "numpy"):
        raise CompileError(f"DELTARULE_BACKEND is {word!r}; it can be llvm or numpy")
    return word


_cache: dict[tuple[str, str], Executable] = {}


def build(graph: Graph) -> Executable:
    """The executable of a graph, made once for each graph text and backend."""
    key = (graph.to_text(), backend())
    found = _cache.get(key)
    if found is None:
        found = _cache[key] = Executable(graph)
    return found
