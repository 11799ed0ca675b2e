"""Linear algebra in machine code gives what NumPy gives: every routine, dtype, layout, batch and error."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import scipy.linalg

import deltarule as dr
from compiling import apply, given
from deltarule.compile import linear, program
from deltarule.compile.form import Form
from deltarule.compile.kernels import LapackKernel
from deltarule.program import Graph, lookup
from deltarule.program.types import ArrayType

pytestmark = pytest.mark.native
DTYPES = ("f4", "f8", "c8", "c16")
LEADS = ((), (3,), (2, 2))
SIZES = tuple(zip((1, 2, 3, 4, 5, 18), (*LEADS, *LEADS), (1, 3, 17, 1, 9, 1), strict=True))
SIZES = (*SIZES, (2, (), 1), (4, (3,), 2), (18, (), 5))  # of matrices, leading axes, right sides


def random(dtype: str, *shape: int, seed: int = 0):
    """Numbers of either kind."""
    rng = np.random.default_rng([seed, *shape])
    x = rng.normal(size=shape)
    return (x + 1j * rng.normal(size=shape) if dtype[0] == "c" else x).astype(dtype)


def regular(dtype: str, *shape: int):
    """Square matrices that are easy to invert, whose pivots stand one row further on."""
    n = shape[-1]
    found = random(dtype, *shape) + 3 * n * np.roll(np.eye(n, dtype=dtype), 1, axis=0)
    return (found / n).astype(dtype)


def positive(dtype: str, *shape: int):
    """Hermitian matrices with eigenvalues from 1 on, apart from each other."""
    turn = np.linalg.qr(random(dtype, *shape))[0]
    return ((turn * (1 + np.arange(shape[-1]))) @ turned(turn).conj()).astype(dtype)


def turned(x):
    return np.swapaxes(x, -1, -2)


def close(found, wanted, dtype: str, factor: float = 1.0):
    """Within rounding of the largest number."""
    found, wanted = (x if isinstance(x, tuple) else (x,) for x in (found, wanted))
    assert len(found) == len(wanted)
    for x, y in zip(found, wanted, strict=True):
        assert (x.shape, x.dtype) == (y.shape, y.dtype)
        bound = factor * 2e3 * float(np.finfo(dtype).eps) * np.max(np.abs(y), initial=1.0)
        np.testing.assert_allclose(x, y, rtol=0, atol=bound)


def compiled(f, *args):
    """The result of machine code that calls no NumPy, and its kernels."""
    g = dr.compile(f)
    found = g(*args)
    assert not g.plan.opaque, g.plan
    return found, [k for k in g.plan.kernels if isinstance(k, LapackKernel)]


SYSTEMS = {
    "solve": np.linalg.solve,
    "solve of the transpose": lambda a, b: np.linalg.solve(turned(a), b),
    "both": lambda a, b: np.linalg.solve(turned(a), np.linalg.solve(a, b)),
    "inverse": lambda a, b: np.linalg.inv(a),
    "inverse of the transpose, after": lambda a, b: (
        np.linalg.det(a)[..., None, None] * np.linalg.inv(turned(a))
    ),
    "determinant": lambda a, b: np.linalg.det(a),
    "logarithm": lambda a, b: tuple(np.linalg.slogdet(a)),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("f", SYSTEMS.values(), ids=SYSTEMS)
def test_systems(f, dtype):
    for n, lead, k in SIZES:
        a, b = regular(dtype, *lead, n, n), random(dtype, *lead, n, k)
        close(compiled(f, a, b)[0], f(a, b), dtype, n)


TRIANGLES = {
    "lower": lambda a, b: scipy.linalg.solve_triangular(a, b, lower=True),
    "upper": lambda a, b: scipy.linalg.solve_triangular(a, b),
    "lower, transposed": lambda a, b: scipy.linalg.solve_triangular(a.T, b, lower=True),
    "every other": lambda a, b: scipy.linalg.solve_triangular(a[::2, ::2], b[::2], lower=True),
    "backward": lambda a, b: scipy.linalg.solve_triangular(a[::-1, ::-1], b[::-1], lower=True),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("f", TRIANGLES.values(), ids=TRIANGLES)
def test_triangles(f, dtype):
    for n, _, k in SIZES:
        a, b = 2 * np.eye(n) + random(dtype, n, n) / n, random(dtype, n, k)
        a = a.astype(dtype)
        close(compiled(f, a, b)[0], f(a, b), dtype, n)


@pytest.mark.parametrize("dtype", DTYPES)
def test_cholesky_and_systems_with_its_factor(dtype):
    def f(a, b):
        factor = np.linalg.cholesky(a)
        return factor, np.linalg.solve(turned(factor), np.linalg.solve(factor, b))

    for n, lead, k in SIZES:
        a, b = positive(dtype, *lead, n, n), random(dtype, *lead, n, k)
        found, kernels = compiled(f, a, b)
        close(found, f(a, b), dtype, n)
        assert dtype[0] == "c" or "lu" not in {kernel.step for kernel in kernels}


def whole(u, s, vt):
    """A matrix from its factors, and the values alone: signs of vectors are LAPACK's choice."""
    return (u * s[..., None, :]) @ vt, s


def rows(x):
    """All matrices below each other."""
    return x.reshape(-1, x.shape[-1])


FACTORS = {
    "eigh": lambda h, x: whole(*(lambda s, v: (v, s, turned(v).conj()))(*np.linalg.eigh(h))),
    "eigh of the upper": lambda h, x: whole(
        *(lambda s, v: (v, s, turned(v).conj()))(*np.linalg.eigh(h, "U"))
    ),
    "eigenvalues": lambda h, x: np.linalg.eigvalsh(h),
    "singular values": lambda h, x: np.linalg.svd(x, compute_uv=False),
    "svd": lambda h, x: whole(*np.linalg.svd(x, full_matrices=False)),
    "svd of the transpose": lambda h, x: whole(*np.linalg.svd(turned(x), full_matrices=False)),
    "qr": lambda h, x: tuple(np.linalg.qr(x)),
    "pinv": lambda h, x: np.linalg.pinv(x),
    "least squares": lambda h, x: np.linalg.lstsq(rows(x), rows(x)[:, :1])[0],
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("f", FACTORS.values(), ids=FACTORS)
def test_factors(f, dtype):
    for n, lead, _ in SIZES:
        h, x = positive(dtype, *lead, n, n), random(dtype, *lead, n + 3, n)
        close(compiled(f, h, x)[0], f(h, x), dtype, 3 * n)


@pytest.mark.parametrize("dtype", DTYPES)
def test_exponentials_of_small_and_large_matrices(dtype):
    for n, lead, _ in SIZES[1:6]:
        size = np.reshape([0.0, 1e-3, 1.0, 20.0], (4,) + (1,) * (len(lead) + 2))
        x = size * random(dtype, 4, *lead, n, n) / n - size * np.eye(n)
        x = x.astype(dtype)
        close(compiled(scipy.linalg.expm, x)[0], scipy.linalg.expm(x), dtype, 10 * n)
    x = np.full((2, 2), np.nan)
    np.testing.assert_array_equal(dr.compile(scipy.linalg.expm)(x), x)


def test_vectors_have_the_signs_that_numpy_gives_them():
    h, x = positive("f8", 4, 6, 6), random("f8", 4, 5, 3)
    close(compiled(lambda h: tuple(np.linalg.eigh(h)), h)[0], tuple(np.linalg.eigh(h)), "f8", 9)
    close(
        compiled(lambda x: tuple(np.linalg.svd(x, full_matrices=False)), x)[0],
        tuple(np.linalg.svd(x, full_matrices=False)),
        "f8",
        9,
    )


@pytest.mark.parametrize("dtype", DTYPES)
def test_eigenvalues_without_symmetry(dtype):
    kinds = {"f4": "c8", "f8": "c16"}

    def f(x):
        return tuple(np.linalg.eig(x.astype(kinds.get(dtype, dtype))))

    for n in (1, 2, 3, 6):
        for lead in LEADS:
            x = random(dtype, *lead, n, n, seed=5)
            wanted = np.linalg.eig(x)
            values, vectors = compiled(f, x)[0]
            close(values, wanted[0].astype(values.dtype), dtype, 50)
            close(vectors, wanted[1].astype(values.dtype), dtype, 200)


def test_real_matrices_among_complex_ones():
    z = random("c16", 3, 4, 4)
    z[1] = [[0, -1, 0, 0], [1, 0, 0, 0], [0, 0, 2, 1], [0, 0, 0, 3]]
    values, vectors = compiled(lambda z: tuple(np.linalg.eig(z)), z)[0]
    wanted = np.linalg.eig(z[1].real)
    close(values[1], wanted[0], "f8")
    close(vectors[1], wanted[1], "f8")
    close(z @ vectors, vectors * values[:, None, :], "f8", 10)


@pytest.mark.parametrize("dtype", DTYPES)
def test_gradients_of_determinants(dtype):
    gradient = dr.grad(lambda x: np.abs(np.sum(np.linalg.det(x))))
    for n, lead, _ in SIZES[:5]:
        x = regular(dtype, *lead, n, n)
        close(dr.compile(gradient)(x), gradient(x), dtype, 10 * n)
    singular = np.diag([2.0, 3.0, 0.0])
    found = dr.compile(dr.grad(np.linalg.det))(singular)
    np.testing.assert_allclose(found, np.diag([0.0, 0.0, 6.0]), atol=1e-14)


# --- layouts ---


def test_matrices_as_they_lie_in_memory():
    a, b = regular("f8", 12, 12) + 3 * np.eye(12), random("f8", 12, 12)
    forms = {
        "part": lambda a, b: np.linalg.solve(a[2:7, 3:8], b[1:6, ::2]),
        "backward": lambda a, b: np.linalg.solve(a[::-1, ::-1], b[::-1].T),
        "one number": lambda a, b: np.linalg.solve(a[:1, :1], b[:1]),
        "one matrix, many right sides": lambda a, b: np.linalg.solve(a, np.stack([b, b.T])),
        "many matrices, one right side": lambda a, b: np.linalg.solve(np.stack([a, a.T]), b),
        "repeated": lambda a, b: np.linalg.solve(
            np.broadcast_to(a, (3, 12, 12)), np.stack([b] * 3)
        ),
        "leading axes of both": lambda a, b: np.linalg.solve(
            np.stack([a, a.T])[:, None], np.stack([b, 2 * b, 3 * b])
        ),
        "a part of a batch": lambda a, b: np.linalg.inv(np.stack([a, a.T, 2 * a])[::2, 2:5, 2:5]),
        "a factor of a part": lambda a, b: np.linalg.cholesky((a @ a.T)[2:9, 2:9]),
    }
    for name, f in forms.items():
        found = compiled(f, a, b)[0]
        np.testing.assert_allclose(found, f(a, b), rtol=1e-9, atol=1e-9, err_msg=name)


def test_empty_matrices():
    for shape in ((0, 0), (0, 3, 3), (2, 0, 0)):
        x = np.ones(shape)
        assert dr.compile(np.linalg.inv)(x).shape == shape
        np.testing.assert_array_equal(dr.compile(np.linalg.det)(x), np.linalg.det(x))
    assert dr.compile(lambda a, b: np.linalg.solve(a, b))(np.eye(2), np.ones((2, 0))).shape == (
        2,
        0,
    )
    assert dr.compile(np.linalg.pinv)(np.ones((0, 3))).shape == (3, 0)


# --- what is shared ---


def test_a_matrix_is_factored_once_forward_and_backward():
    def f(a, b):
        x = np.linalg.solve(a, b)
        size = np.linalg.slogdet(a)[1]
        return np.sum(x * (np.linalg.inv(a) @ b)) + size + np.sum(np.linalg.solve(a.T, x))

    a, b = regular("f8", 5, 5), random("f8", 5, 1)
    found, kernels = compiled(dr.grad(f, argnums=(0, 1)), a, b)
    assert [kernel.step for kernel in kernels].count("lu") == 1
    for x, y in zip(found, dr.grad(f, argnums=(0, 1))(a, b), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-9, atol=1e-9)


def test_a_repeated_matrix_is_factored_once():
    a, b = regular("f8", 5, 5), random("f8", 7, 5)
    for f in (
        lambda a, b: dr.vmap(lambda b: np.linalg.solve(a, b))(b),
        lambda a, b: np.linalg.solve(np.broadcast_to(a, (7, 5, 5)), b[..., None])[..., 0],
    ):
        found, kernels = compiled(f, a, b)
        (lu,) = [kernel for kernel in kernels if kernel.step == "lu"]
        assert lu.outs[0].size == 25
        np.testing.assert_allclose(found, np.linalg.solve(a, b.T).T, rtol=1e-10)


def test_vectors_that_nobody_reads_are_not_computed():
    h, x = positive("f8", 5, 5), random("f8", 6, 4)
    for f, words in (
        (lambda h, x: np.linalg.eigvalsh(h), ["eigvalsh"]),
        (lambda h, x: np.linalg.norm(x, 2) + np.linalg.cond(h), ["svdvals", "svdvals"]),
        (dr.grad(lambda h, x: np.linalg.eigvalsh(h)[0]), ["eigh"]),
        (dr.grad(lambda h, x: np.linalg.norm(x, 2), argnums=1), ["svd"]),
    ):
        found, kernels = compiled(f, h, x)
        assert [kernel.step for kernel in kernels] == words
        np.testing.assert_allclose(found, f(h, x), rtol=1e-9, atol=1e-12)


# --- what goes wrong ---

SINGULAR = np.array([[1.0, 2.0], [2.0, 4.0]])
LARGE = np.diag([1.0, 2.0, 3.0, 4.0, 5.0, 0.0])
WRONG = {
    "solve": (lambda a: np.linalg.solve(a, a), SINGULAR),
    "solve, large": (lambda a: np.linalg.solve(a, a), LARGE),
    "inverse": (np.linalg.inv, SINGULAR),
    "one of many": (lambda a: np.linalg.inv(np.stack([np.eye(2), a, np.eye(2)])), SINGULAR),
    "cholesky": (np.linalg.cholesky, np.diag([1.0, -1.0])),
    "cholesky, large": (np.linalg.cholesky, LARGE),
    "triangle": (lambda a: scipy.linalg.solve_triangular(a, a), np.diag([1.0, 0.0])),
    "svd": (lambda a: np.linalg.svd(a, full_matrices=False)[1], np.full((2, 2), np.nan)),
}


@pytest.mark.parametrize(("f", "bad"), WRONG.values(), ids=WRONG)
def test_errors_are_numpys(f, bad):
    with pytest.raises(np.linalg.LinAlgError) as wanted:
        f(bad)
    g, good = dr.compile(f), np.eye(len(bad))
    before = g(good)
    assert not g.plan.opaque
    with pytest.raises(np.linalg.LinAlgError) as found:
        g(bad)
    assert str(found.value) == str(wanted.value)
    np.testing.assert_array_equal(g(good), before)


def test_numpy_reads_matrices_as_they_lie_in_memory():
    a = given(ArrayType((12, 12), np.dtype("f8")))
    part = apply("transpose", a, order=(1, 0))
    part = apply("slice", part, start=(10, 0), size=(5, 5), step=(-2, 2))
    run = program.Executable(Graph((a,), (apply("cofactor", part),)))
    x = random("f8", 12, 12)
    x[:, 10] = x[:, 8]  # two of the rows that are read
    close(run(x)[0], lookup("cofactor").evaluate(x.T[10:1:-2, :10:2]), "f8", 5)


def test_an_error_in_a_loop_ends_it():
    def f(xs):
        def step(total, x):
            return total + np.linalg.inv(x), np.linalg.det(x)

        return dr.scan(step, np.zeros((3, 3)), xs)

    xs = regular("f8", 6, 3, 3)
    g = dr.compile(f)
    for found, wanted in zip(g(xs), (np.linalg.inv(xs).sum(0), np.linalg.det(xs)), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-10)
    xs[4] = 1.0
    with pytest.raises(np.linalg.LinAlgError, match="Singular matrix"):
        g(xs)
    xs[4] = np.eye(3)
    np.testing.assert_allclose(g(xs)[0], np.linalg.inv(xs).sum(0), rtol=1e-10)


def test_determinants_of_singular_and_of_extreme_matrices():
    for n in (2, 6):
        x = np.stack([np.ones((n, n)), np.eye(n) * 1e200, np.eye(n) * 1e-200, np.eye(n)])
        with np.errstate(all="ignore"):
            np.testing.assert_array_equal(dr.compile(np.linalg.det)(x), np.linalg.det(x))
        found = dr.compile(lambda x: tuple(np.linalg.slogdet(x)))(x[1:])
        close(found, tuple(np.linalg.slogdet(x[1:])), "f8", n)


def test_what_is_not_a_number_spreads_as_in_numpy():
    for f in (lambda a: np.linalg.solve(a, a[:, ::2]), np.linalg.inv, np.linalg.det):
        for n in (2, 6):
            a = regular("f8", n, n)
            a[0, 1] = np.nan
            with np.errstate(all="ignore"):
                np.testing.assert_array_equal(np.isnan(dr.compile(f)(a)), np.isnan(f(a)))


# --- where it runs ---


def test_threads_may_call_at_once():
    f = dr.compile(lambda a: np.linalg.inv(a) @ np.linalg.cholesky(a @ turned(a)))
    given = [regular("f8", 20, 5 + i % 2, 5 + i % 2) for i in range(8)]
    wanted = [f(a) for a in given]
    wrong: list[int] = []

    def work(i: int) -> None:
        for _ in range(20):
            if not np.array_equal(f(given[i]), wanted[i]):
                wrong.append(i)

    team = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for member in team:
        member.start()
    for member in team:
        member.join()
    assert not wrong


def test_code_from_the_cache_calls_lapack_and_numpy(tmp_path, monkeypatch):
    monkeypatch.setenv("DELTARULE_CACHE", str(tmp_path))
    a = given(ArrayType((2, 4, 4), np.dtype("f8")))
    part = apply("transpose", a, order=(0, 2, 1))
    part = apply("slice", part, start=(0, 3, 0), size=(2, 2, 2), step=(1, -1, 2))
    graph = Graph((a,), (apply("inv", part),))
    x = random("f8", 2, 4, 4)
    wanted = np.linalg.inv(turned(x)[:, 3:1:-1, ::2])
    for _ in range(2):
        run = program.Executable(graph)
        np.testing.assert_allclose(run(x)[0], wanted, rtol=1e-9)
        with pytest.raises(np.linalg.LinAlgError):
            run(np.ones((2, 4, 4)))


@pytest.mark.parametrize("words", ["", "void (int64_t *, int64_t *, double *)"])
def test_without_lapack_numpy_is_called(monkeypatch, words):
    monkeypatch.setattr(linear, "declaration", lambda name: words)
    monkeypatch.setenv("DELTARULE_CACHE", "off")
    a = given(ArrayType((3, 3), np.dtype("f8")))
    run = program.Executable(Graph((a,), (apply("inv", a),)))
    assert len(run.plan.opaque) == 1
    x = regular("f8", 3, 3)
    np.testing.assert_array_equal(run(x)[0], np.linalg.inv(x))


def test_lapack_keeps_subnormal_numbers_where_ours_are_flushed():
    a, b = (given(ArrayType(shape, np.dtype("f4"))) for shape in ((6, 6), (6, 1)))
    graph = Graph((a, b), (apply("solve", a, b), apply("mul", b, b)))
    run = program.build(graph, Form(flush=True))
    x, y = run(2 * np.eye(6, dtype="f4"), np.full((6, 1), 1e-38, "f4"))
    assert (x > 0).all() and (y == 0).all()


@pytest.mark.parametrize(("n", "shared"), [(16, True), (100, False)])
def test_a_program_is_left_to_the_threads_of_the_library(n, shared):
    def f(a, x):
        return np.sum(np.linalg.solve(a, np.ones(n))) * np.tanh(x)

    g = dr.compile(f)
    a, x = np.eye(n) * 2, np.linspace(0, 1, 100_000)
    np.testing.assert_allclose(g(a, x), f(a, x))
    assert g.plan.shared is shared
