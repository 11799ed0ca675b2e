"""Linear algebra on its way to kernels: which steps of LAPACK, on which views, with how much memory.

In: a scheduler and a node. Out: the node's place in the scheduler, and kernels. The factors of a matrix are
computed once for all who solve with it or with its transpose, forward and backward; a Cholesky factor is
known to be a triangle.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from deltarule.compile.kernels import LapackKernel
from deltarule.compile.llvm.addresses import is_known
from deltarule.compile.llvm.small import is_small
from deltarule.compile.schedule import Scheduler
from deltarule.compile.views import Ints, View
from deltarule.program import ArrayType, Node
from deltarule.program.lowering import Lapack
from deltarule.program.ops.complex import REAL

I32, F64, C128 = (np.dtype(name) for name in ("int32", "float64", "complex128"))


def lapack(s: Scheduler, node: Node) -> None:
    """A step of linear algebra."""
    assert isinstance(node.primitive.lowering, Lapack)
    STEPS[node.primitive.lowering.step](s, node)


def is_there(node: Node) -> bool:
    """Whether LAPACK is at hand and has this: empty matrices and other drivers are NumPy's."""
    sizes = [size for arg in node.args for size in arg.type.shape]
    driver = node.attrs.get("driver", "evd")
    return 0 not in sizes and driver == "evd" and is_known("lapack.dgetrf")


def spread(view: View, lead: Ints, core: int = 2) -> View:
    """A view repeated along leading axes."""
    rank = len(view.shape)
    return view.broadcast((*lead, *view.shape[rank - core :]))


def turned(view: View) -> View:
    """Its matrices transposed."""
    rank = len(view.shape)
    return view.transpose((*range(rank - 2), rank - 1, rank - 2))


def once(view: View) -> View:
    """The matrices of a view without repetitions."""
    depth = len(view.shape) - 2
    steps = zip(view.shape[:depth], view.strides[:depth], strict=True)
    lead = tuple(n if step else 1 for n, step in steps)
    return replace(view, shape=(*lead, *view.shape[depth:]))


def factors(s: Scheduler, node: Node) -> tuple[View, View, bool]:
    """The factors of a node's matrix and its pivots; and whether they are those of its transpose."""
    a = once(s.view(node.args[0]))
    if turned(a) in s.factors:
        return *s.factors[turned(a)], True
    if a not in s.factors:
        *lead, n, _ = a.shape
        factor = s.buffer(ArrayType(a.shape, a.dtype))
        pivots = s.buffer(ArrayType((*lead, n + 1), I32))
        work = 2 * n**3 // 3
        s.append(
            LapackKernel(
                (node,),
                0,
                "lu",
                tuple(lead),
                (a,),
                (factor, pivots),
                operations=work,
            )
        )
        s.factors[a] = factor, pivots
    return *s.factors[a], False


def solve(s: Scheduler, node: Node) -> None:
    """By the factors of the matrix, or at once where it is a Cholesky factor or its transpose."""
    a, b = node.args
    view = s.view(a)
    for lower, triangle in ((True, view), (False, turned(view))):
        if triangle in s.triangles:
            return divided(s, node, view, lower)
    factor, pivots, flag = factors(s, node)
    right = s.view(b)
    out = s.result(node)
    lead, (n, k) = out.shape[:-2], out.shape[-2:]
    args = spread(factor, lead), spread(pivots, lead, 1), spread(right, lead)
    needed = view, right
    step(
        s,
        node,
        "solve",
        args,
        (out,),
        needed,
        flag=flag,
        operations=2 * n * n * k,
    )
    return None


def inverse(s: Scheduler, node: Node) -> None:
    """The solution with the identity."""
    (a,) = node.args
    factor, pivots, flag = factors(s, node)
    out = s.result(node)
    lead, n = out.shape[:-2], out.shape[-1]
    args = spread(factor, lead), spread(pivots, lead, 1)
    step(
        s,
        node,
        "solve",
        args,
        (out,),
        (s.view(a),),
        flag=flag,
        operations=2 * n**3,
    )


def solve_triangular(s: Scheduler, node: Node) -> None:
    """At once."""
    divided(s, node, s.view(node.args[0]), node.attrs["lower"])


def divided(
    s: Scheduler,
    node: Node,
    a: View,
    lower: bool,
) -> None:
    """A triangle's solution; its rows or its columns must lie side by side."""
    n = a.shape[-1]
    steps = sorted(a.strides[-2:])
    if n > 1 and (steps[0] != 1 or steps[1] < n):
        a = s.contiguous(node.args[0])
    right = s.view(node.args[1])
    out = s.result(node)
    lead, k = out.shape[:-2], out.shape[-1]
    args = spread(a, lead), spread(right, lead)
    step(
        s,
        node,
        "triangular",
        args,
        (out,),
        (a, right),
        flag=lower,
        operations=n * n * k,
    )


def determinant(s: Scheduler, node: Node) -> None:
    """By the factors."""
    (a,) = node.args
    factor, pivots, flag = factors(s, node)
    lowering = node.primitive.lowering
    assert isinstance(lowering, Lapack)
    lead, n = a.type.shape[:-2], a.type.shape[-1]
    args = spread(factor, lead), spread(pivots, lead, 1)
    word, needed, outs = lowering.step, (s.view(a),), results(s, node)
    work = 2 * n**3 if word == "cofactor" else 20 * n
    step(
        s,
        node,
        word,
        args,
        outs,
        needed,
        flag=flag,
        operations=work,
    )


def cofactor(s: Scheduler, node: Node) -> None:
    """By the factors; of a small matrix at once."""
    view = s.view(node.args[0])
    if is_small(view, len(view.shape) - 2):
        step(
            s,
            node,
            "cofactor",
            (view,),
            results(s, node),
            (view,),
            operations=100,
        )
    else:
        determinant(s, node)


def cholesky(s: Scheduler, node: Node) -> None:
    """By itself."""
    (x,) = node.args
    given, out = s.view(x), s.result(node)
    s.triangles.add(out)
    n = out.shape[-1]
    step(
        s,
        node,
        "cholesky",
        (given,),
        (out,),
        (given,),
        operations=n**3 // 3,
    )


def eigh(s: Scheduler, node: Node) -> None:
    """With vectors."""
    (x,) = node.args
    given, outs, n = s.view(x), results(s, node), x.type.shape[-1]
    kind, real = x.type.dtype, REAL.get(x.type.dtype)
    sizes: list[tuple[int, np.dtype]] = [(1 + 6 * n + 2 * n * n, kind)]
    if real:
        sizes = [(2 * n + n * n, kind), (1 + 5 * n + 2 * n * n, real)]
    work = (matrix(s, n, n, kind), *rooms(s, *sizes, (3 + 5 * n, I32)))
    step(
        s,
        node,
        "eigh",
        (given,),
        outs,
        (given,),
        work,
        node.attrs["upper"],
        9 * n**3,
    )


def eig(s: Scheduler, node: Node) -> None:
    """With vectors; the matrix is complex, but its numbers may be real."""
    (x,) = node.args
    given, outs, n = s.view(x), results(s, node), x.type.shape[-1]
    square = [matrix(s, n, n, kind) for kind in (C128, C128, F64, F64)]
    first = rooms(s, (n, C128), (65 * n, C128), (2 * n, F64))
    second = rooms(s, (n, F64), (n, F64), (66 * n, F64))
    work = (*square[:2], *first, *square[2:], *second)
    step(
        s,
        node,
        "eig",
        (given,),
        outs,
        (given,),
        work,
        operations=25 * n**3,
    )


def svd(s: Scheduler, node: Node) -> None:
    """Of as many vectors as there are values."""
    (x,) = node.args
    given, outs, (m, n) = s.view(x), results(s, node), x.type.shape[-2:]
    k, most, kind, real = min(m, n), max(m, n), x.type.dtype, REAL.get(x.type.dtype)
    sizes: list[tuple[int, np.dtype]] = [(4 * k * k + 7 * k + 65 * (m + n), kind)]
    if real:
        sizes.append((max(5 * k * k + 5 * k, 2 * most * k + 2 * k * k + k), real))
    shapes = ((m, n), (m, k), (k, n))
    matrices = (matrix(s, *shape, kind) for shape in shapes)
    work = (*matrices, *rooms(s, *sizes, (8 * k, I32)))
    step(
        s,
        node,
        "svd",
        (given,),
        outs,
        (given,),
        work,
        operations=20 * m * n * k,
    )


def qr(s: Scheduler, node: Node) -> None:
    """Of as many columns as the matrix has."""
    (x,) = node.args
    given, outs, (m, n), kind = s.view(x), results(s, node), x.type.shape[-2:], x.type.dtype
    work = (matrix(s, m, n, kind), *rooms(s, (n, kind), (64 * n, kind)))
    step(
        s,
        node,
        "qr",
        (given,),
        outs,
        (given,),
        work,
        operations=4 * m * n * n,
    )


def expm(s: Scheduler, node: Node) -> None:
    """By products and one solution."""
    (x,) = node.args
    given, outs, n, kind = s.view(x), results(s, node), x.type.shape[-1], x.type.dtype
    work = (*(matrix(s, n, n, kind) for _ in range(6)), *rooms(s, (n, I32)))
    step(
        s,
        node,
        "expm",
        (given,),
        outs,
        (given,),
        work,
        operations=16 * n**3,
    )


def results(s: Scheduler, node: Node) -> tuple[View, ...]:
    """Memory for all results of a node."""
    if not isinstance(node.type, tuple):
        return (s.result(node),)
    outs = s.where[node] = tuple(s.buffer(kind) for kind in node.type)
    return outs


def matrix(
    s: Scheduler,
    rows: int,
    columns: int,
    dtype: np.dtype,
) -> View:
    """Memory for a matrix that LAPACK sees with this many rows and columns."""
    return s.buffer(ArrayType((columns, rows), dtype))


def rooms(s: Scheduler, *sizes: tuple[int, np.dtype]) -> list[View]:
    """Memory that LAPACK wants."""
    return [s.buffer(ArrayType((size,), dtype)) for size, dtype in sizes]


def step(
    s: Scheduler,
    node: Node,
    word: str,
    args: tuple[View, ...],
    outs: tuple[View, ...],
    needed: tuple[View, ...],
    work: tuple[View, ...] = (),
    flag: bool = False,
    operations: int = 0,
) -> None:
    """A kernel that NumPy stands in for."""
    core = {"det": 0, "slogdet": 0, "logdet": 0, "eigh": 1, "eig": 1}.get(word, 2)
    lead = outs[0].shape[: len(outs[0].shape) - core]
    s.append(
        LapackKernel(
            (node,),
            s.code(node),
            word,
            lead,
            args,
            outs,
            work,
            needed,
            flag,
            operations,
        )
    )


STEPS: dict[str, Callable[[Scheduler, Node], None]] = {
    "solve": solve,
    "inv": inverse,
    "triangular": solve_triangular,
    "det": determinant,
    "slogdet": determinant,
    "logdet": determinant,
    "cholesky": cholesky,
    "cofactor": cofactor,
    "eigh": eigh,
    "eig": eig,
    "expm": expm,
    "svd": svd,
    "qr": qr,
}
