"""Linear algebra on one matrix after the other, by LAPACK and BLAS.

In: a LapackKernel. Out: its function. A matrix that is out of the ordinary (singular, not positive definite)
sends all of them to NumPy, whose answer or error is the user's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from deltarule.compile.kernels import LapackKernel
from deltarule.compile.llvm import small
from deltarule.compile.llvm.determinants import cofactor, determinant, logarithm
from deltarule.compile.llvm.eigen import eig
from deltarule.compile.llvm.expm import expm
from deltarule.compile.llvm.loops import Written
from deltarule.compile.llvm.matrices import Each, Matrix
from deltarule.compile.llvm.mode import Mode
from deltarule.compile.llvm.systems import lu, solve, triangular


def cholesky(e: Each) -> None:
    """The lower triangle, which LAPACK sees as an upper one."""
    (x,), (y,) = e.args, e.outs
    e.copy(x, y)
    e.lapack("potrf", "U", e.n, y, e.n)
    e.triangle(y, lower=True)


def eigh(e: Each) -> None:
    """By divide and conquer, as NumPy."""
    (x,), (_, vectors) = e.args, e.outs
    a = eigen_symmetric(e, x, "V")
    e.copy(a.turned, vectors)


def eigvalsh(e: Each) -> None:
    """The values alone."""
    eigen_symmetric(e, e.args[0], "N")


def eigen_symmetric(e: Each, x: Matrix, job: str) -> Matrix:
    """Values, and where the job is V the vectors instead of the matrix."""
    a, *spaces = e.work
    e.copy(x, a.turned)
    rooms: list[Matrix | int] = []
    for space in spaces:
        rooms += [space, space.shape[0]]
    name = "syevd" if x.lanes == 1 else "heevd"
    triangle = "U" if e.flag else "L"
    e.lapack(
        name,
        job,
        triangle,
        e.n,
        a,
        e.n,
        e.outs[0],
        *rooms,
    )
    return a


def svd(e: Each) -> None:
    """By divide and conquer, as NumPy."""
    u, _, vt = e.outs
    left, right = singular(e, "S")
    e.copy(left.turned, u)
    e.copy(right.turned, vt)


def svdvals(e: Each) -> None:
    """The values alone."""
    singular(e, "N")


def singular(e: Each, job: str) -> tuple[Matrix, Matrix]:
    """Singular values, and where the job is S the vectors, by columns."""
    (x,), (_, s, _) = e.args, e.outs
    a, left, right, space, *others = e.work
    (m, n), k = x.shape, s.shape[0]
    e.copy(x, a.turned)
    e.lapack(
        "gesdd",
        job,
        m,
        n,
        a,
        m,
        s,
        left,
        m,
        right,
        k,
        space,
        space.shape[0],
        *others,
    )
    return left, right


def qr(e: Each) -> None:
    """By reflections."""
    (x,), (q, r) = e.args, e.outs
    a, tau, space = e.work
    m, n = x.shape
    e.copy(x, a.turned)
    e.lapack(
        "geqrf",
        m,
        n,
        a,
        m,
        tau,
        space,
        space.shape[0],
    )
    top = replace(a.turned, view=replace(a.turned.view, shape=(n, n)))
    e.copy(top, r)
    e.triangle(r, lower=False)
    name = "orgqr" if x.lanes == 1 else "ungqr"
    e.lapack(
        name,
        m,
        n,
        n,
        a,
        m,
        tau,
        space,
        space.shape[0],
    )
    e.copy(a.turned, q)


STEPS: dict[str, Callable[[Each], None]] = {
    "lu": lu,
    "solve": solve,
    "triangular": triangular,
    "det": determinant,
    "cofactor": cofactor,
    "slogdet": logarithm,
    "logdet": logarithm,
    "cholesky": cholesky,
    "eigh": eigh,
    "eigvalsh": eigvalsh,
    "eig": eig,
    "expm": expm,
    "svd": svd,
    "svdvals": svdvals,
    "qr": qr,
}


def write_lapack(kernel: LapackKernel, mode: Mode) -> Written:
    """The function of a kernel."""
    step = STEPS[kernel.step]
    if small.is_small(kernel.args[0], len(kernel.lead)):
        step = small.STEPS.get(kernel.step, step)
    return Each(kernel, mode).write(step)
