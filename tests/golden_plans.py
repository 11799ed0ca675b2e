"""Plans of a few known programs, as text that no processor changes.

In: nothing. Out: ``python tests/golden_plans.py`` writes ``tests/golden/plans/`` anew, a file a program.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

import deltarule.derive  # noqa: F401
from compiling import apply, given, number, results
from deltarule.compile.kernels import ContractKernel, LoopKernel
from deltarule.compile.lower import schedule
from deltarule.compile.plan import Plan
from deltarule.compile.rewrite import rewrite
from deltarule.program import Graph, Node
from deltarule.program.types import ArrayType

FOLDER = Path(__file__).parent / "golden" / "plans"
F32, I64 = np.dtype("f4"), np.dtype("i8")


def of(*shape: int, dtype: np.dtype = F32) -> Node:
    return given(ArrayType(shape, dtype))


def turned(x: Node) -> Node:
    return apply("transpose", x, order=(1, 0))


def dense() -> Graph:
    """relu(x W1 + b1) W2 + b2."""
    x, w1, b1, w2, b2 = of(64, 784), of(784, 256), of(256), of(256, 10), of(10)
    hidden = apply("relu", apply("add", apply("matmul", x, w1), b1))
    return Graph((x, w1, b1, w2, b2), (apply("add", apply("matmul", hidden, w2), b2),))


def cross_entropy_backward() -> Graph:
    """The loss of softmax, and what goes back: (softmax(z) - t) / n, through W and relu."""
    h, w, t = of(64, 128), of(128, 10), of(64, 10)
    z = apply("matmul", h, w)
    most = apply("reshape", apply("max", z, axes=(1,)), shape=(64, 1))
    powers = apply("exp", apply("sub", z, most))
    total = apply("reshape", apply("sum", powers, axes=(1,)), shape=(64, 1))
    p = apply("div", powers, total)
    loss = apply("mean", apply("sum", apply("mul", t, apply("log", p)), axes=(1,)), axes=(0,))
    delta = apply("div", apply("sub", p, t), number(64.0, F32))
    below = apply("matmul", delta, turned(w))
    alive = apply("select", apply("gt", h, number(0.0, F32)), below, number(0.0, F32))
    slope = apply("matmul", turned(h), delta)
    return Graph((h, w, t), (loss, slope, apply("sum", delta, axes=(0,)), alive))


def adam() -> Graph:
    """The gradient of a weight matrix, used where it is made to change the matrix and both moments."""
    w, m, v, x, delta = of(784, 256), of(784, 256), of(784, 256), of(64, 784), of(64, 256)
    g = apply("matmul", turned(x), delta)
    new_m = mixed(m, g, 0.9)
    new_v = mixed(v, apply("mul", g, g), 0.999)
    root = apply("add", apply("sqrt", new_v), number(1e-8, F32))
    change = apply("div", apply("mul", new_m, number(1e-3, F32)), root)
    return Graph((w, m, v, x, delta), (apply("sub", w, change), new_m, new_v))


def mixed(old: Node, new: Node, part: float) -> Node:
    """part * old + (1 - part) * new."""
    one, other = number(part, F32), number(1 - part, F32)
    return apply("add", apply("mul", old, one), apply("mul", new, other))


def gather() -> Graph:
    """Rows of a table by number, and the first layer on them."""
    table, index, w = of(1000, 784), of(64, dtype=I64), of(784, 256)
    rows = apply("gather", table, index)
    return Graph((table, index, w), (apply("relu", apply("matmul", rows, w)),))


def scan() -> Graph:
    """An epoch of gradient descent on a linear model: weights are changed in place."""
    w, x, t = of(20, 3), of(32, 20), of(32, 3)
    error = apply("sub", apply("matmul", x, w), t)
    slope = apply("mul", apply("matmul", turned(x), error), number(0.01, F32))
    loss = apply("mean", apply("mul", error, error), axes=(0, 1))
    body = Graph((w, x, t), (apply("sub", w, slope), loss))
    w, xs, ts = of(20, 3), of(50, 32, 20), of(50, 32, 3)
    attrs = {"consts": 0, "carries": 1, "length": 50, "reverse": False}
    return Graph((w, xs, ts), results(apply("scan", w, xs, ts, body=body, **attrs)))


PROGRAMS: dict[str, Callable[[], Graph]] = {
    program.__name__: program for program in (dense, cross_entropy_backward, adam, gather, scan)
}


def text_of(name: str) -> str:
    """The plan, what each kernel computes at a point, and where threads meet."""
    plan = schedule(rewrite(PROGRAMS[name]()))[0]
    lines = [f"{name}: {PROGRAMS[name].__doc__}", "", str(plan), *details(plan, "")]
    return "\n".join(lines) + "\n"


def details(plan: Plan, indent: str) -> list[str]:
    found = [f"{indent}outputs over inputs: {sorted(plan.in_place)}"]
    for stage in plan.stages:
        how = "all threads" if stage.shared else "the first thread"
        meet = "meet, " if stage.meet else ""
        found.append(f"{indent}{meet}{how}: kernels {stage.start} to {stage.stop - 1}")
    for i, kernel in enumerate(plan.kernels):
        found.append(f"{indent}kernel {i}")
        if isinstance(kernel, ContractKernel):
            found.append(f"{indent}  {kernel.a} * {kernel.b} along {kernel.axes}")
            found.append(f"{indent}  vectors along axis {kernel.vector}")
        for place, scalar in enumerate(getattr(kernel, "scalars", ())):
            found.append(f"{indent}  %{place} = {scalar}")
        for place, view in getattr(kernel, "stores", ()):
            found.append(f"{indent}  {view} = %{place}")
        if isinstance(kernel, LoopKernel):
            spare = ["in place" if view is None else str(view) for view in kernel.spare]
            found.append(f"{indent}  carries: {', '.join(spare)}")
            found += details(kernel.body, indent + "    ")
    return found


def write() -> None:
    """All files."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in PROGRAMS:
        (FOLDER / f"{name}.txt").write_text(text_of(name))


if __name__ == "__main__":
    write()
