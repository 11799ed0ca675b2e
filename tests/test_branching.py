"""while_loop and cond: by hand, batched, differentiated, and as machine code on any number of threads."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import deltarule as dr
from deltarule.compile import jit
from deltarule.errors import GradientError, TypeRuleError

rng = np.random.default_rng(0)


def halvings(x):
    """How often x is halved until all is small, and what it is then."""
    return dr.while_loop(
        lambda c: np.max(np.abs(c["x"])) > 1.0,
        lambda c: {"n": c["n"] + 1, "x": c["x"] / 2},
        {"n": 0, "x": x},
    )


def swaps(a, b, n):
    """Carries that change places: none may lie over the other."""
    out = dr.while_loop(lambda c: c[0] < n, lambda c: (c[0] + 1, c[2], c[1] + c[2]), (0, a, b))
    return out[1:]


@pytest.mark.parametrize("size", [0.5, 1.0, 3.0, 1e6])
def test_steps_are_counted_while_they_run(size):
    x = np.array([size, -size / 2])
    n = max(0, int(np.ceil(np.log2(size))))
    for run in (halvings, jit.compile(halvings)):
        found = run(x)
        assert int(found["n"]) == n
        np.testing.assert_array_equal(found["x"], x / 2**n)
    assert isinstance(x, np.ndarray) and x[0] == size  # what is given stays


@pytest.mark.parametrize("n", [0, 1, 2, 3, 10])
@pytest.mark.parametrize("shape", [(), (3,), (7, 5)])
def test_carries_that_change_places(n, shape):
    a, b = (np.asarray(rng.normal(size=shape))[()] for _ in range(2))
    expected = a, b
    for _ in range(n):
        expected = expected[1], expected[0] + expected[1]
    found = jit.compile(swaps)(a, b, np.int64(n))
    for x, y in zip(found, expected, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.bool_])
def test_carries_of_every_kind(dtype):
    x = np.array([1, 0, 1], dtype)

    def f(x):
        return dr.while_loop(lambda c: c[0] < 3, lambda c: (c[0] + 1, c[1][::-1]), (0, x))[1]

    found = jit.compile(f)(x)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, x[::-1])


def power(A, x, steps):
    def step(carry):
        k, x = carry
        y = A @ x
        return k + 1, y / np.sqrt(np.sum(y * y))

    return dr.while_loop(lambda c: c[0] < steps, step, (0, x))[1]


@pytest.mark.native
@pytest.mark.parametrize("steps", [4, 5])
def test_the_same_bits_on_any_number_of_threads(steps, monkeypatch):
    A, x = rng.normal(size=(300, 300)) / 20, rng.normal(size=(300, 64))
    found = []
    for threads in ("1", "2"):
        monkeypatch.setenv("DELTARULE_THREADS", threads)
        run = jit.compile(lambda A, x: power(A, x, steps))
        found += [run(A, x) for _ in range(20)]
    assert all(np.array_equal(found[0], other) for other in found)
    np.testing.assert_allclose(found[0], power(A, x, steps), rtol=1e-9, atol=1e-12)


def test_loops_stand_in_loops():
    def f(x):
        def outer(c, row):
            return dr.while_loop(lambda v: v < row, lambda v: v * 2, c), row

        return dr.scan(outer, x, np.array([3.0, 1.0, 20.0]))[0]

    assert float(f(1.0)) == float(jit.compile(f)(1.0)) == 32.0


def test_rows_stop_when_they_are_done():
    x = np.array([[0.5, 0.1], [5.0, 1.0], [-1e5, 3.0]])
    expected = [halvings(row) for row in x]
    for run in (dr.vmap(halvings), jit.compile(dr.vmap(halvings))):
        found = run(x)
        np.testing.assert_array_equal(found["n"], [e["n"] for e in expected])
        np.testing.assert_array_equal(found["x"], [e["x"] for e in expected])


def test_forward_mode_goes_through_and_reverse_mode_says_why_not():
    x, v = np.array([9.0, -4.0]), np.array([1.0, 2.0])
    found = dr.jvp(halvings, (x,), (v,))[1]
    np.testing.assert_array_equal(found["x"], v / 16)
    dr.check_grads(lambda x: halvings(x)["x"], x, order=1, modes=["forward"])
    with pytest.raises(GradientError, match=r"dr\.scan with a fixed number of steps"):
        dr.grad(lambda x: np.sum(halvings(x)["x"]))(x)
    assert (
        dr.grad(lambda x: x * dr.stop_gradient(halvings(np.ones(2) * 9.0)["x"][0]))(2.0) == 0.5625
    )


# --- cond ---


def branches(p, x):
    """Closures, several results, a branch that ignores an argument."""
    w = x * 2
    return dr.cond(p, lambda a: (np.tanh(a * w), a.sum()), lambda a: (w * w, w[0]), x)


@pytest.mark.parametrize("p", [True, False])
def test_the_branch_that_is_taken(p):
    x = np.array([0.3, -0.7])
    y, total = (np.tanh(2 * x * x), x.sum()) if p else (4 * x * x, 2 * x[0])
    for run in (branches, jit.compile(branches)):
        found = run(np.bool_(p), x)
        np.testing.assert_allclose(found[0], y, rtol=1e-14)
        np.testing.assert_allclose(found[1], total, rtol=1e-14)
    dr.check_grads(lambda x: branches(np.bool_(p), x), x)


def test_what_is_not_taken_is_not_computed():
    """The other branch is a loop without end."""

    def f(p, x):
        def endless(x):
            return dr.while_loop(lambda c: c == c, lambda c: c, x)

        return dr.cond(p, lambda x: x + 1, endless, x)

    assert float(jit.compile(f)(np.bool_(True), 1.0)) == 2.0 == float(f(np.bool_(True), 1.0))


def test_derivatives_of_both_branches_batched_and_compiled():
    def f(x):
        return dr.cond(x > 1.0, np.log, lambda x: x**3, x)

    x = np.array([0.5, 4.0, -2.0])
    expected = [0.75, 0.25, 12.0]
    for run in (dr.vmap(dr.grad(f)), jit.compile(dr.vmap(dr.grad(f)))):
        np.testing.assert_allclose(run(x), expected, rtol=1e-14)
    np.testing.assert_allclose(dr.grad(dr.grad(f))(-2.0), -12.0)
    np.testing.assert_allclose(dr.jvp(f, (4.0,), (2.0,))[1], 0.5)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 6), st.integers(1, 4), st.booleans(), st.integers(0, 2**31))
def test_random_nests_compile_to_what_they_mean(steps, width, flip, seed):
    x = np.random.default_rng(seed).normal(size=width)

    def f(n, x):
        def step(c):
            k, v = c
            w = dr.cond((np.sum(v) > 0) ^ flip, np.tanh, lambda v: v[::-1] * 1.5 + 0.1, v)
            return k + 1, w

        return dr.while_loop(lambda c: c[0] < n, step, (0, x))[1]

    np.testing.assert_allclose(jit.compile(f)(np.int64(steps), x), f(steps, x), rtol=1e-12)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: dr.while_loop(lambda x: x, lambda x: x, 1.0), r"one bool, not f64\[\]; compare"),
        (
            lambda: dr.while_loop(lambda x: x > 0, lambda x: x, np.ones(2)),
            r"one bool, not bool\[2\]; compare, as np\.sum\(x\) > 0, or use np\.any",
        ),
        (
            lambda: dr.while_loop(lambda x: x > 0, lambda x: (x, x), 1.0),
            "the carry enters a step as .* and leaves it as",
        ),
        (
            lambda: dr.while_loop(lambda x: x < 3, lambda x: x + 0.5, 1),
            "start from values of the final shape and dtype",
        ),
        (lambda: dr.cond(1.0, np.sin, np.cos, 1.0), r"one bool, not f64"),
        (lambda: dr.cond(True, lambda: 1.0, lambda: (1.0,)), "the first branch returns"),
        (lambda: dr.cond(True, lambda: 1.0, lambda: 1), r"gives \(f64\[\],\), the second \(i64"),
    ],
)
def test_what_is_refused(make, words):
    with pytest.raises(TypeRuleError, match=words):
        make()
