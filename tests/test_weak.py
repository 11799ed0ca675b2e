"""Python numbers that are traced give way to the type of arrays, as NumPy's rules have it."""

from __future__ import annotations

import numpy as np
import pytest

import deltarule as dr
from deltarule.derive.trace import stage
from deltarule.program import interpret, type_of

ARRAYS = "f2 f4 f8 i1 i4 i8 u1 ? c8 c16".split()


def added(x, s):
    t = s
    t += 1.0
    t *= s
    return x * t


def written(x, s):
    y = np.zeros_like(x)
    y[0] = s
    return y * s


ANY = [
    lambda x, s: x * s,
    lambda x, s: s * x,
    lambda x, s: s - x,
    lambda x, s: x / s,
    lambda x, s: s / x,
    lambda x, s: x**s,
    lambda x, s: s**x,
    lambda x, s: np.add(x, s),
    lambda x, s: np.where(x == x, x, s),
    lambda x, s: np.where(x == x, s, 0.5),
    lambda x, s: np.result_type(x, s) == np.float32,
    lambda x, s: x[0] * s + s,
    lambda x, s: np.sum(x) * s,
    # arithmetic among Python numbers
    lambda x, s: x * (s + 1),
    lambda x, s: x * (1 - s),
    lambda x, s: x * (s * s),
    lambda x, s: x * -s + +s,
    lambda x, s: x * (s**2),
    lambda x, s: x * (2**s),
    lambda x, s: x * (s / 2),
    lambda x, s: x * (s == s),
    lambda x, s: x * ((s == s) + (s == s)),
    lambda x, s: x * ((s == s) ^ (s == 1)),
    added,
    written,
    # what NumPy's functions make of them has a type of its own
    lambda x, s: x * np.sin(s),
    lambda x, s: x * np.multiply(s, 2.0),
    lambda x, s: x * np.asarray(s),
    lambda x, s: x * np.sum(s),
    lambda x, s: np.array([s, 1.0]),
    lambda x, s: np.array([x[0], s]),
    lambda x, s: np.stack([x[0], s]),
    lambda x, s: np.full(3, s),
    lambda x, s: np.dot(x, s),
    lambda x, s: np.outer(x, s),
    lambda x, s: np.float_power(x, s),
]
REAL = [
    lambda x, s: x // s,
    lambda x, s: s % x,
    lambda x, s: x * (s // 2),
    lambda x, s: x * (1.5 % s),
    lambda x, s: x * divmod(s, 0.3)[1] * divmod(0.3, s)[0],
    lambda x, s: x * abs(s),
    lambda x, s: x * round(s),
    lambda x, s: x * round(s, 1),
    lambda x, s: x * ((s > 0) | (s > 1)),
    lambda x, s: np.maximum(x, s),
    lambda x, s: np.maximum(s, 1.0) * x,
    lambda x, s: np.clip(x, 0, s),
    lambda x, s: np.arctan2(x, s),
]


def check(f, x, s, traced):
    """What ``traced`` gives is what NumPy gives, in type and value; where NumPy refuses, nothing is said."""
    try:
        wanted = np.asarray(f(x.copy(), s))
    except TypeError:
        return
    found = np.asarray(traced(x, s))
    assert found.dtype == wanted.dtype, f"{found.dtype}, not {wanted.dtype}, for {x.dtype}"
    np.testing.assert_allclose(
        found, wanted, rtol={"e": 2e-3, "f": 1e-5, "F": 1e-5}.get(wanted.dtype.char, 1e-12)
    )


def as_input(f, s):
    """``f`` traced with its number as an input."""

    def traced(x, s):
        numbers = [type_of(x), type_of(np.asarray(s))]
        staged = stage(lambda x, s: [f(x, s)], numbers, [False, True])
        return interpret(staged.graph, x, np.asarray(s)[()], *staged.captured)[0]

    return traced


@pytest.mark.parametrize(
    ("f", "s"),
    [
        *((f, s) for f in ANY for s in (0.5, 1 - 2j)),
        *((f, 0.5) for f in REAL),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_a_traced_number_has_the_type_that_numpy_gives_it(f, s):
    for dtype in ARRAYS[:8] if f in REAL else ARRAYS:  # complex numbers have no order
        x = np.array([1, 2, 3]).astype(dtype)
        check(f, x, s, as_input(f, s))


@pytest.mark.parametrize("s", [0.5, 3, True, 1 - 2j])
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i4", "c8"])
def test_compiled_functions_keep_the_type_of_their_arrays(dtype, s):
    x = np.array([1, 2, 3]).astype(dtype)
    f = dr.compile(lambda x, s: (x * s, x * (s + 1), s * 2))
    for found, wanted in zip(f(x, s), (x * s, x * (s + 1), s * 2), strict=True):
        assert np.asarray(found).dtype == np.asarray(wanted).dtype
        np.testing.assert_array_equal(found, wanted)


def test_a_python_float_and_a_numpy_one_are_two_kinds_of_arguments():
    x = np.ones(3, "f4")
    f = dr.compile(lambda x, s: x * s)
    assert f(x, 0.5).dtype == np.float32
    assert f(x, np.float64(0.5)).dtype == np.float64
    assert f(x, np.float32(0.5)).dtype == np.float32
    assert f(x, 0.25).dtype == np.float32 and len(f.versions) == 3
    assert f(x, s=0.5).dtype == np.float32


DERIVED = [*ANY[:7], *ANY[12:18], added, written]


@pytest.mark.parametrize("f", DERIVED)
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_derivatives_by_numbers_and_arrays_keep_types(f, dtype):
    x = np.array([1, 2, 3]).astype(dtype)
    loss = lambda x, s: np.sum(f(x, s))  # noqa: E731
    for transformed in (
        dr.value_and_grad(loss, (0, 1)),
        dr.compile(dr.value_and_grad(loss, (0, 1))),
    ):
        value, (gx, gs) = transformed(x, 0.5)
        assert value.dtype == loss(x, 0.5).dtype
        assert gx.dtype == x.dtype and gs.dtype == np.float64
    y, dy = dr.jvp(loss, (x, 0.5), (np.ones_like(x), 1.0))
    assert y.dtype == dy.dtype == loss(x, 0.5).dtype


def test_a_number_stays_a_number_through_nested_functions():
    x = np.ones(3, "f4")
    cube = lambda s: np.sum(x * s**3)  # noqa: E731
    assert dr.grad(dr.grad(cube))(0.5) == 9.0
    seen = []

    def inner(s, y):
        seen.append((y * s).dtype)
        return np.sum(y * s)

    dr.grad(lambda s: dr.grad(inner)(s, x) * s)(0.5)
    dr.grad(lambda y: dr.grad(inner, 1)(0.5, y)[0])(x)
    dr.grad(lambda s: dr.grad(inner, 1)(s, x)[0])(0.5)
    dr.vmap(inner, (None, 0))(0.5, np.ones((2, 3), "f4"))
    dr.grad(lambda s: np.sum(dr.vmap(inner, (None, 0))(s, np.ones((2, 3), "f4"))))(0.5)
    dr.compile(lambda s: dr.compile(inner)(s, x))(0.5)
    dr.grad(lambda s: dr.compile(inner)(s, x))(0.5)
    rule = dr.custom_vjp(
        inner,
        lambda s, y: (inner(s, y), (s, y)),
        lambda r, ct: (ct * np.sum(r[1]), ct * r[0] * r[1]),
    )
    dr.grad(rule)(0.5, x)
    dr.compile(rule)(0.5, x)
    dr.compile(dr.grad(rule))(0.5, x)
    dr.grad(lambda s: inner(dr.stop_gradient(s), x) * s)(0.5)
    dr.grad(lambda s: inner(dr.value(s), x) * s)(0.5)
    assert len(seen) >= 13 and set(seen) == {np.dtype("f4")}


def test_an_array_made_of_a_number_is_another_value():
    def f(s):
        a = np.asarray(s)
        b = s
        b += 1.0
        a += 5.0
        return s * b + 0 * a

    assert f(2.0) == dr.compile(f)(2.0) == 6.0
    assert dr.grad(f)(2.0) == 5.0


def test_complex_numbers_are_part_of_the_text_of_a_graph():
    x = np.array([1, 2], "c8")
    f = dr.compile(lambda x: x * (1 + 2j) + complex(np.inf, -0.0))
    np.testing.assert_array_equal(f(x), x * (1 + 2j) + complex(np.inf, -0.0))
