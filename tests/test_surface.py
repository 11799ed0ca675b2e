"""NumPy as people use it beside its functions: attributes, caches, views by strides, questions.

In: functions as others write them. Out: what plain NumPy gives for the same function, and a gradient that
central differences confirm; for what is refused, an error that names the use and the cure.
"""

from __future__ import annotations

import functools
import math

import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided, sliding_window_view

import deltarule as dr
from deltarule.errors import EscapedTracer, NoRuleError

X = np.array([0.3, -0.7, 1.1, 0.4])
A = np.array([[0.3, -0.7, 1.1], [0.4, 1.6, -0.2]])
SQUARE = A[:, :2]


def same(f, x):
    """The value, its dtype and shape are those of plain NumPy, the gradient that of differences."""
    expected = f(x.copy())
    found = dr.vjp(f, x)[0]
    assert found.dtype == expected.dtype and found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-13)
    if expected.dtype.kind == "f":
        dr.check_grads(lambda x: np.sum(np.sin(f(x))), x)


# --- constants that outlive their trace ---


def test_a_cache_filled_while_tracing_serves_other_calls():
    @functools.cache
    def mesh(n):
        return np.linspace(0.0, 1.0, n)

    def f(x):
        return np.sum(mesh(4) * x**2)

    expected = 2 * X * np.linspace(0.0, 1.0, 4)
    for _ in range(2):
        np.testing.assert_array_equal(dr.grad(f)(X), expected)
    np.testing.assert_array_equal(dr.compile(dr.grad(f))(X), expected)
    np.testing.assert_array_equal(dr.vmap(dr.grad(f))(X[None])[0], expected)
    assert f(X) == np.sum(np.linspace(0.0, 1.0, 4) * X**2)
    assert type(mesh(4) * 2) is np.ndarray and float(mesh(4)[3]) == 1.0


def test_an_object_that_makes_its_constants_when_first_asked():
    class Model:
        basis = None

        def loss(self, x):
            if self.basis is None:
                self.basis = np.eye(4) * 2
                self.basis[0, 1] = 3.0
                self.row = self.basis[0]
            return np.sum((self.basis @ x) ** 2) + self.row @ x

    fresh, model = Model(), Model()
    expected = dr.grad(fresh.loss)(X)
    for _ in range(2):
        np.testing.assert_array_equal(dr.grad(model.loss)(X), expected)
    np.testing.assert_allclose(dr.hessian(model.loss)(X), dr.hessian(Model().loss)(X))


def test_a_constant_made_while_compiling_serves_later():
    kept = {}

    def f(x):
        kept.setdefault("w", np.arange(4.0) + 1)
        return np.sum(kept["w"] * x)

    assert dr.compile(f)(X) == pytest.approx(X @ [1, 2, 3, 4])
    np.testing.assert_array_equal(dr.grad(f)(X), [1, 2, 3, 4])


def test_a_kept_value_with_a_derivative_is_refused_still():
    kept = []

    def f(x):
        kept.append(np.ones(4) * x)
        return np.sum(kept[0])

    dr.grad(f)(X)
    with pytest.raises(EscapedTracer, match="kept in"):
        dr.grad(f)(X)


def test_constants_choose_elements_and_branches_while_compiling():
    def f(x):
        off = ~np.eye(4, dtype=bool)
        free = np.arange(1, 4)
        k = np.outer(x, x)
        k[np.ix_(free, free)] += 1.0
        k[np.array([True, False, False, True])] *= 2.0
        return np.sum(k[off]) if off.sum() == 12 else 0.0

    assert dr.compile(f)(X) == pytest.approx(f(X))
    np.testing.assert_allclose(dr.compile(dr.grad(f))(X), dr.grad(f)(X))


# --- views ---


def test_a_view_by_einsum_is_written_through():
    def f(x):
        k = np.outer(x, x)
        np.einsum("ii->i", k)[:] = x**3
        np.einsum("ij->ji", k)[0] *= 2.0
        return k

    same(f, X)


VIEWS = {
    "windows": lambda x: sliding_window_view(x, 2) @ np.array([1.0, 3.0]),
    "windows of a matrix": lambda x: sliding_window_view(np.outer(x, x), (2, 3)).sum((-1, -2)),
    "windows along an axis": lambda x: sliding_window_view(np.outer(x, x), 2, axis=0)[..., 1],
    "by strides": lambda x: as_strided(x, (3, 2), (8, 8)).prod(axis=1),
    "by its own strides": lambda x: np.einsum(
        "ijkl,kl->ij",
        as_strided(m := np.outer(x, x), (3, 2, 2, 3), m.strides * 2),
        np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]),
    ),
    "of a row": lambda x: as_strided(np.outer(x, x)[1], (3, 2), (8, 8)),
}


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_by_strides(name):
    same(VIEWS[name], X)
    np.testing.assert_allclose(dr.compile(VIEWS[name])(X), VIEWS[name](X), rtol=1e-13)


def test_windows_show_what_is_written_later_and_are_not_written_to():
    def f(x):
        windows = sliding_window_view(x, 2)
        x[0] = x[1] * 3
        return windows[0] * 1.0

    same(f, X)
    with pytest.raises(ValueError, match="read-only"):
        dr.grad(lambda x: sliding_window_view(x, 2).__setitem__(0, 1.0))(X)


def test_strides_that_leave_the_array_are_refused():
    with pytest.raises(ValueError, match=r"element 0 to 4 of an array of 4 elements \(test_surf"):
        dr.grad(lambda x: as_strided(x, (4, 2), (8, 8)).sum())(X)
    with pytest.raises(NoRuleError, match="ascontiguousarray"):
        dr.grad(lambda x: as_strided(x[::2], (2, 1), (16, 8)).sum())(X)


# --- attributes and questions ---

QUESTIONS = {
    "strides": lambda x: [
        *x.strides,
        *x.T.strides,
        *x[:, ::2].strides,
        *x[0].reshape(3, 1).strides,
    ],
    "flags": lambda x: [x.flags.c_contiguous, x.T.flags["F_CONTIGUOUS"], x.flags.writeable],
    "read-only": lambda x: [x.diagonal().flags.writeable, x[1:].flags.c_contiguous],
    "contains": lambda x: [0.3 in x, x[1, 1] in x, 7.0 in x],
    "math": lambda x: [math.floor(x[0, 2]), math.ceil(x[0, 2]), math.trunc(x[0, 1])],
    "device": lambda x: [x.device == "cpu"],
}


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_has_numpys_answer(name):
    seen = []
    dr.grad(lambda x: seen.append(QUESTIONS[name](x)) or np.sum(x))(A)
    assert seen == [QUESTIONS[name](A)]
    assert all(isinstance(answer, (bool, int)) for answer in seen[0])


def test_a_copy_takes_an_order():
    same(lambda x: x.copy("F") + x.copy(order="K"), A)


def test_methods_take_their_settings():
    def f(x):
        x.sort(kind="stable")
        x.put([9], 0.5, mode="clip")
        return x.view(np.ndarray) * 2

    same(f, X)
