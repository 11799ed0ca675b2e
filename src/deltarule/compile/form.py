"""How a program is run: once or once for each row, with subnormal numbers or without.

In: a closed ``Graph``. Out: ``Form``, a part of the program's name; the plan of a loop whose number of
steps is told when it is called.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from deltarule.compile import kernels
from deltarule.compile.memory import nbytes
from deltarule.compile.plan import Buffer, Plan, Stage
from deltarule.compile.share import stages_of
from deltarule.compile.views import View
from deltarule.errors import TypeRuleError
from deltarule.program import ArrayType, Graph

INT8 = np.dtype("int8")


@dataclass(frozen=True, slots=True)
class Form:
    """How a graph is run.

    Where ``rows`` is not 0 the graph is one step of a loop, as the body of a scan: its last inputs are a
    row each of arrays of any (equal) length, those before are the carries, which are its first results as
    well, and all others are the same in every step. The program takes the arrays whole and runs once for
    each row; results after the carries are stacked.

    Attributes
    ----------
    carries, rows : int
        How many inputs are carried from step to step, and how many are rows.
    flush : bool
        Whether subnormal numbers, given or computed, count as 0.
    """

    carries: int = 0
    rows: int = 0
    flush: bool = False

    def check(self, graph: Graph) -> None:
        """Raise TypeRuleError where a carry leaves a step in another type than it enters."""
        last = len(graph.inputs) - self.rows
        before, after = graph.types[last - self.carries : last], graph.result_types
        for i, (enters, leaves) in enumerate(zip(before, after, strict=False)):
            if enters != leaves:
                raise TypeRuleError(
                    f"carry {i} enters a step as {enters!r} and leaves it as {leaves!r}; both must "
                    "be the same"
                )

    def steps(self, arrays: Sequence[Any]) -> int:
        """How often the graph is run on arrays."""
        return len(arrays[-1]) if self.rows else 1

    def given(self, types: Sequence[ArrayType], steps: int) -> list[tuple[tuple[int, ...], Any]]:
        """Shapes and dtypes of what a call with so many steps takes, by the types of one step."""
        return stacked(types, len(types) - self.rows, steps)

    def found(self, types: Sequence[ArrayType], steps: int) -> list[tuple[tuple[int, ...], Any]]:
        """Shapes and dtypes of what it gives."""
        return stacked(types, self.carries if self.rows else len(types), steps)


ONCE = Form()


def stacked(
    types: Sequence[ArrayType],
    first: int,
    steps: int,
) -> list[tuple[tuple[int, ...], Any]]:
    """Shapes and dtypes; those from ``first`` on have an axis of steps before the others."""
    return [((steps, *t.shape) if i >= first else t.shape, t.dtype) for i, t in enumerate(types)]


def formed(graph: Graph, plan: Plan, form: Form) -> Plan:
    """The plan of a graph in a form, from that of one run."""
    plan = looped(graph, plan, form) if form.rows else plan
    return replace(plan, flush=form.flush)


def as_body(plan: Plan, first: int, carries: int, tested: bool = False) -> Plan:
    """A plan as the body of a loop: what a carry becomes may lie over that carry only.

    The inputs from ``first`` on are the carries, in the order of the outputs. A carry that is ``tested``,
    the first, is still read by one thread when another is in the body.
    """
    own = plan.in_place & {(first + i, i) for i in range(tested, carries)}
    return replace(plan, in_place=own, stages=stages_of(plan.kernels, plan.buffers, own))


def looped(graph: Graph, body: Plan, form: Form) -> Plan:
    """The plan that runs ``body`` as often as the call says; what it says of its steps is of one."""
    c, last = form.carries, len(graph.inputs) - form.rows
    first = last - c
    body = as_body(body, first, c)
    places: list[Buffer] = []
    end = 0

    def buffer(place: str, at: int, kind: ArrayType, row: bool = False) -> View:
        places.append(Buffer(place, at, kind.dtype, kind.size))
        view = View.whole(len(places) - 1, kind)
        if not row:
            return view
        return replace(view, shape=(1, *view.shape), strides=(kind.size, *view.strides))

    def room(kind: ArrayType) -> View:
        nonlocal end
        view = buffer("arena", end, kind)
        end += nbytes(kind.dtype, kind.size)
        return view

    given = [buffer("input", i, t, i >= last) for i, t in enumerate(graph.types)]
    results = [buffer("output", i, t, i >= c) for i, t in enumerate(graph.result_types)]
    free = [(first + i, i) in body.in_place for i in range(c)]
    loop = kernels.LoopKernel(
        (),
        body,
        consts=tuple(given[:first]),
        inits=tuple(given[first:last]),
        xs=tuple(given[last:]),
        carry=tuple(results[:c]),
        spare=tuple(None if free[i] else room(graph.types[first + i]) for i in range(c)),
        ys=tuple(results[c:]),
        workspace=room(ArrayType((body.arena,), INT8)),
        steps=1,
        reverse=False,
        open_ended=True,
    )
    return Plan(
        graph.types,
        graph.result_types,
        tuple(places),
        (loop,),
        end,
        frozenset((first + i, i) for i in range(c) if free[i]),
        (Stage(0, 1, body.shared, False),),
    )
