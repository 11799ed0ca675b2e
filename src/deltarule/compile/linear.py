"""Linear algebra on its way to kernels: which steps of LAPACK, on which views, with how much memory.

In: a scheduler and a node. Out: the node's place in the scheduler, and kernels. The factors of a matrix are
computed once for all who solve with it or with its transpose, forward and backward; a Cholesky factor is
known to be a triangle.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from deltarule.compile.kernels import LapackKernel
from deltarule.compile.llvm.addresses import declaration
from deltarule.compile.llvm.small import is_small
from deltarule.compile.schedule import Scheduler
from deltarule.compile.views import Ints, View
from deltarule.program import ArrayType, Node
from deltarule.program.lowering import Lapack
from deltarule.program.ops.complex import REAL

SIZES = "void (int *, int *, "  # how SciPy declares LAPACK's functions of matrices
I32, F64, C128 = (np.dtype(name) for name in ("int32", "float64", "complex128"))


def lapack(s: Scheduler, node: Node) -> None:
    """A step of linear algebra."""
    STEPS[word_of(node)](s, node)


def word_of(node: Node) -> str:
    """Which step it is."""
    assert isinstance(node.primitive.lowering, Lapack)
    return node.primitive.lowering.step


def is_there(node: Node) -> bool:
    """Whether LAPACK is at hand, with sizes of 32 bits; empty matrices and other drivers are NumPy's."""
    sizes = [size for arg in node.args for size in arg.type.shape]
    driver = node.attrs.get("driver", "evd")
    return 0 not in sizes and driver == "evd" and declaration("lapack.dgetrf").startswith(SIZES)


def spread(
    view: View,
    lead: Ints,
    core: int = 2,
) -> View:
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
        outs, work = (factor, pivots), 2 * n**3 // 3
        s.append(
            LapackKernel(
                (node,),
                0,
                "lu",
                tuple(lead),
                (a,),
                outs,
                (),
                (),
                False,
                work,
            )
        )
        s.factors[a] = factor, pivots
    return *s.factors[a], False


def by_factors(
    s: Scheduler,
    node: Node,
    word: str,
    operations: int,
) -> None:
    """A step that reads the factors of the first argument, and the other arguments as they are."""
    factor, pivots, flag = factors(s, node)
    needed = tuple(map(s.view, node.args))
    outs = results(s, node)
    lead = leading(word, outs)
    rest = (spread(view, lead) for view in needed[1:])
    args = (spread(factor, lead), spread(pivots, lead, 1), *rest)
    append(
        s,
        node,
        word,
        args,
        outs,
        needed,
        (),
        flag,
        operations,
    )


def solve(s: Scheduler, node: Node) -> None:
    """By the factors of the matrix, or at once where it is a Cholesky factor or its transpose."""
    view, (n, k) = s.view(node.args[0]), node.type.shape[-2:]
    if view in s.triangles or turned(view) in s.triangles:
        by_triangle(s, node, lower=view in s.triangles)
    else:
        by_factors(s, node, "solve", 2 * n * n * k)


def inverse(s: Scheduler, node: Node) -> None:
    """The solution with the identity."""
    by_factors(s, node, "solve", 2 * node.type.shape[-1] ** 3)


def determinant(s: Scheduler, node: Node) -> None:
    """From the factors, with a logarithm or without."""
    by_factors(s, node, word_of(node), 20 * node.args[0].type.shape[-1])


def cofactor(s: Scheduler, node: Node) -> None:
    """By the factors; of a small matrix at once."""
    n = node.type.shape[-1]
    if is_small(s.view(node.args[0]), len(node.type.shape) - 2):
        by_itself(s, node, 20 * n)
    else:
        by_factors(s, node, "cofactor", 2 * n**3)


def solve_triangular(s: Scheduler, node: Node) -> None:
    """At once."""
    by_triangle(s, node, node.attrs["lower"])


def by_triangle(
    s: Scheduler,
    node: Node,
    lower: bool,
) -> None:
    """A triangle's solution; its rows or its columns must lie side by side."""
    a, right = map(s.view, node.args)
    n, k = node.type.shape[-2:]
    steps = sorted(a.strides[-2:])
    if n > 1 and (steps[0] != 1 or steps[1] < n):
        a = s.contiguous(node.args[0])
    outs = results(s, node)
    lead = leading("triangular", outs)
    args = spread(a, lead), spread(right, lead)
    append(
        s,
        node,
        "triangular",
        args,
        outs,
        (a, right),
        (),
        lower,
        n * n * k,
    )


# Factors and functions of one matrix.


def by_itself(
    s: Scheduler,
    node: Node,
    operations: int,
    work: Sequence[View] = (),
    flag: bool = False,
    word: str = "",
) -> None:
    """A step that reads a matrix as it is."""
    args, outs = (s.view(node.args[0]),), results(s, node)
    word = word or word_of(node)
    append(
        s,
        node,
        word,
        args,
        outs,
        args,
        tuple(work),
        flag,
        operations,
    )


def is_read(s: Scheduler, node: Node, index: int) -> bool:
    """Whether anybody reads one of several results."""
    return any(reader and reader.attrs["index"] == index for reader in s.readers[node])


def cholesky(s: Scheduler, node: Node) -> None:
    """Its result is known to be a triangle."""
    by_itself(s, node, node.type.shape[-1] ** 3 // 3)
    s.triangles.add(s.view(node))


def eigh(s: Scheduler, node: Node) -> None:
    """With vectors where somebody reads them."""
    kind, n = node.args[0].type.dtype, node.args[0].type.shape[-1]
    sizes = [(1 + 6 * n + 2 * n * n, kind)]
    if kind in REAL:
        sizes = [(2 * n + n * n, kind), (1 + 5 * n + 2 * n * n, REAL[kind])]
    work = [matrix(s, n, n, kind), *rooms(s, *sizes, (3 + 5 * n, I32))]
    word = "eigh" if is_read(s, node, 1) else "eigvalsh"
    by_itself(s, node, 9 * n**3, work, node.attrs["upper"], word)


def eig(s: Scheduler, node: Node) -> None:
    """With vectors; the matrix is complex, but its numbers may be real."""
    n = node.args[0].type.shape[-1]
    work = [
        *(matrix(s, n, n, C128) for _ in range(2)),
        *rooms(s, (n, C128), (65 * n, C128), (2 * n, F64)),
        *(matrix(s, n, n, F64) for _ in range(2)),
        *rooms(s, (n, F64), (n, F64), (66 * n, F64)),
    ]
    by_itself(s, node, 25 * n**3, work)


def svd(s: Scheduler, node: Node) -> None:
    """Of as many vectors as there are values, where somebody reads them."""
    kind, (m, n) = node.args[0].type.dtype, node.args[0].type.shape[-2:]
    k, most = min(m, n), max(m, n)
    sizes = [(4 * k * k + 7 * k + 65 * (m + n), kind)]
    if kind in REAL:
        sizes.append((max(5 * k * k + 5 * k, 2 * most * k + 2 * k * k + k), REAL[kind]))
    work = [
        *(matrix(s, *shape, kind) for shape in ((m, n), (m, k), (k, n))),
        *rooms(s, *sizes, (8 * k, I32)),
    ]
    word = "svd" if is_read(s, node, 0) or is_read(s, node, 2) else "svdvals"
    by_itself(s, node, 20 * m * n * k, work, word=word)


def qr(s: Scheduler, node: Node) -> None:
    """Of as many columns as the matrix has."""
    kind, (m, n) = node.args[0].type.dtype, node.args[0].type.shape[-2:]
    work = [matrix(s, m, n, kind), *rooms(s, (n, kind), (64 * n, kind))]
    by_itself(s, node, 4 * m * n * n, work)


def expm(s: Scheduler, node: Node) -> None:
    """By products and one solution."""
    kind, n = node.type.dtype, node.type.shape[-1]
    work = [*(matrix(s, n, n, kind) for _ in range(6)), *rooms(s, (n, I32))]
    by_itself(s, node, 16 * n**3, work)


# What all of them do.


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
    dtype: np.dtype[Any],
) -> View:
    """Memory for a matrix that LAPACK sees with this many rows and columns."""
    return s.buffer(ArrayType((columns, rows), dtype))


def rooms(s: Scheduler, *sizes: tuple[int, np.dtype[Any]]) -> list[View]:
    """Memory that LAPACK wants."""
    return [s.buffer(ArrayType((size,), dtype)) for size, dtype in sizes]


def leading(word: str, outs: Sequence[View]) -> Ints:
    """The axes before those of one result."""
    shape = outs[0].shape
    return shape[: len(shape) - CORE.get(word, 2)]


def append(
    s: Scheduler,
    node: Node,
    word: str,
    *settings: Any,
) -> None:
    """A kernel that NumPy stands in for."""
    outs = settings[1]
    s.append(LapackKernel((node,), s.code(node), word, leading(word, outs), *settings))


CORE = {
    "det": 0,
    "slogdet": 0,
    "logdet": 0,
    "eigh": 1,
    "eigvalsh": 1,
    "eig": 1,
}  # axes of the first result
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
