"""What the tests of the compiler share: graphs made by hand, and how close two results must be.

In: primitives, samples, arrays. Out: graphs, and assertions with the number of ulp that failed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from deltarule.compile import binary
from deltarule.compile.lower import schedule
from deltarule.compile.native import Native
from deltarule.compile.program import Executable
from deltarule.compile.rewrite import PASSES, rewrite
from deltarule.program import Graph, Node, Primitive, interpret, lookup, type_of
from deltarule.program.lowering import Contract, Lapack, Map, Reduce
from deltarule.program.types import ArrayType

ULP = 4


def given(kind: ArrayType) -> Node:
    return Node(lookup("input"), (), {"type": repr(kind)}, kind)


def apply(name: str | Primitive, *args: Node, **attrs: Any) -> Node:
    primitive = lookup(name) if isinstance(name, str) else name
    return Node(primitive, args, attrs, primitive.type_rule(*(a.type for a in args), **attrs))


def number(value: Any, dtype: Any) -> Node:
    return apply("literal", value=value, dtype=np.dtype(dtype))


def results(node: Node) -> tuple[Node, ...]:
    if not isinstance(node.type, tuple):
        return (node,)
    return tuple(apply("result", node, index=i) for i in range(len(node.type)))


def graph_of(primitive: Primitive, args: tuple[Any, ...], attrs: dict[str, Any]) -> Graph:
    """One node."""
    inputs = tuple(given(type_of(x)) for x in args)
    return Graph(inputs, results(apply(primitive, *inputs, **attrs)))


def reference(graph: Graph, args: Any) -> tuple[Any, ...]:
    with np.errstate(all="ignore"):
        return tuple(np.asarray(y) for y in interpret(graph, *args))


def compiled(graph: Graph, args: Any) -> tuple[Any, ...]:
    return Executable(graph)(*args)


def native(graph: Graph, processor: Any = None, passes: Any = PASSES) -> Native:
    """Machine code of a graph, made anew, for this processor or another."""
    from deltarule.compile.llvm.load import this_processor

    plan, codes = schedule(rewrite(graph, passes))
    return Native(binary.compiled(graph, plan, codes, processor or this_processor()), graph)


def assert_same(found: Any, wanted: Any, graph: Graph | None = None) -> None:
    """Equal in type and value; zeros of either sign are equal, and NaN is NaN."""
    for i, (x, y) in enumerate(zip(found, wanted, strict=True)):
        where = f"result {i}\n{graph}"
        assert (x.shape, x.dtype) == (y.shape, y.dtype), (
            f"{x.dtype}{x.shape}, not {y.dtype}{y.shape}: {where}"
        )
        np.testing.assert_array_equal(x, y, err_msg=where)


def ulp_apart(x: Any, y: Any) -> float:
    """The largest distance, in units of the last place of ``y``."""
    same = (x == y) | (np.isnan(x) & np.isnan(y))
    with np.errstate(all="ignore"):
        apart = np.abs(x.astype("f8") - y.astype("f8")) / np.spacing(np.abs(y)).astype("f8")
    return float(np.max(np.where(same, 0, np.where(np.isnan(apart), np.inf, apart)), initial=0))


def assert_close(found: Any, wanted: Any, scale: Any, count: int, what: str) -> None:
    """Within 4 ulp where ``count`` is 1, else within 4 n eps sum |terms|."""
    assert (found.shape, found.dtype) == (wanted.shape, wanted.dtype), (
        f"{what}: {found.dtype}{found.shape}"
    )
    if found.dtype.kind not in "fc":
        np.testing.assert_array_equal(found, wanted, err_msg=what)
        return
    if (found.dtype.kind == "c" and count <= 1) or found.dtype == np.float16:
        np.testing.assert_array_equal(found, wanted, err_msg=what)
        return
    if count <= 1:
        apart = ulp_apart(found, wanted)
        assert apart <= ULP, f"{what}: {apart} ulp apart: {found} for {wanted}"
        return
    bound = 4 * count * np.finfo(found.dtype).eps * scale
    same = (found == wanted) | (np.isnan(found) & np.isnan(wanted))
    with np.errstate(invalid="ignore"):
        wrong = ~same & ~(np.abs(found - wanted) <= bound)
    assert not wrong.any(), f"{what}: {found[wrong]} for {wanted[wrong]}"


def terms_of(primitive: Primitive, args: Any, attrs: dict[str, Any]) -> tuple[Any, int]:
    """Sum of the absolute terms of a reduction or contraction, and how many there are; (1, 1) elsewhere.

    Of linear algebra the largest number that is given or found, and how often rounding adds up.
    """
    lowering = primitive.lowering
    if isinstance(lowering, Lapack) or primitive.name == "pinv":
        found = primitive.evaluate(*args, **attrs)
        numbers = [*args, *(found if isinstance(found, tuple) else (found,))]
        scale = max(np.max(np.abs(x), initial=1.0) for x in numbers)
        return scale, 4 * max(x.shape[-1] for x in args) ** 2
    if isinstance(lowering, Map) or not isinstance(lowering, Reduce | Contract):
        return 1.0, 1
    if isinstance(lowering, Reduce) and lowering.op not in ("sum", "mean"):
        return 1.0, 1
    sizes = [np.abs(x).astype("f8") if x.dtype.kind in "fc" else x for x in args]
    scale = np.asarray(primitive.evaluate(*sizes, **attrs))
    return scale, max(2, int(np.prod([x.size for x in args])) // max(1, scale.size))
