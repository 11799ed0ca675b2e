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
from deltarule.derive.trace import stage
from deltarule.errors import EscapedTracer, NoRuleError
from deltarule.program import type_of

X = np.array([0.3, -0.7, 1.1, 0.4])
A = np.array([[0.3, -0.7, 1.1], [0.4, 1.6, -0.2]])
OUTSIDE = np.zeros(3)


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


KEPT_USES = {
    "written copy": lambda k, x: [c := np.copy(k), c.__setitem__(0, x[1])][0] * x,
    "zeros like it": lambda k, x: [z := np.zeros_like(k), z.__setitem__(0, x[1])][0] + x,
    "array of it": lambda k, x: np.array([k, x])[0] * np.array(k) * x,
    "parts": lambda k, x: k[1:] * x[1:] + sum(v for v in k) + max(k) * k[k > 0.5].size,
    "functions": lambda k, x: np.linalg.solve(np.diag(k) + np.outer(k, k), x) + np.sort(k)[::-1],
    "branch": lambda k, x: x if (k > 0).all() and 1.0 in k else -x,
    "number": lambda k, x: float(k[0]) * x * len(k) * k.shape[0] * float(f"{k[1]:.2f}"),
    "places": lambda k, x: x[(k * 3).astype(int) % 4] + x[k > 0.3] if k.any() else x,
    "out": lambda k, x: np.add(k, 1, out=np.zeros(4)) * x,
    "scalar": lambda k, x: k[0] ** 2 * x + k.mean(),
}


@pytest.mark.parametrize("name", KEPT_USES)
@pytest.mark.parametrize("how", ["grad", "vmap", "compile", "scan", "two levels"])
def test_a_kept_constant_is_as_any_array(name, how):
    kept, use, plain = [], KEPT_USES[name], np.linspace(0.4, 1.0, 4)

    def keep(x):
        kept.append(np.linspace(0.4, 1.0, 4) * np.ones(4))
        return np.sum(x)

    {
        "grad": lambda: dr.grad(keep)(X),
        "vmap": lambda: dr.vmap(keep)(X[None]),
        "compile": lambda: dr.compile(keep)(X),
        "scan": lambda: dr.scan(lambda c, _: (c + keep(X * c), None), 1.0, np.zeros(2)),
        "two levels": lambda: dr.grad(lambda x: dr.grad(lambda y: keep(y * x))(x) @ x)(X),
    }[how]()
    k = kept[0]
    outside = use(k, X) if name not in ("written copy", "zeros like it") else use(plain, X)
    np.testing.assert_allclose(outside, use(plain, X), rtol=1e-14)
    assert type(outside) is np.ndarray
    for at in (k, plain):
        np.testing.assert_allclose(dr.vjp(lambda x, at=at: use(at, x), X)[0], use(plain, X.copy()))
    gradient = dr.grad(lambda x: np.sum(np.sin(use(k, x))))(X)
    np.testing.assert_allclose(gradient, dr.grad(lambda x: np.sum(np.sin(use(plain, x))))(X))


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


def written(a):
    a[:2] = 0.25
    return a


LAYOUTS = {
    "diagonal of a part": lambda a: written(np.einsum("ii->i", a[:2, :2])),
    "diagonal of a part, read later": lambda a: [
        d := a[:2, :2].diagonal(),
        a.__setitem__(0, 3.0),
        d + 0,
    ][2],
    "ravel of every second": lambda a: written(a[0, ::2].ravel()),
    "ravel backwards": lambda a: written(a[::-1, ::-1].ravel()),
    "ravel of columns": lambda a: written((a.T + 0).ravel("F")),
    "ravel of a transposed sum": lambda a: [b := a.T + 0, written(b.ravel()), b][2],
    "reshape of a copy": lambda a: [b := a.T.copy(), written(b.reshape(-1)), b][2],
    "reshape of a copy in columns": lambda a: [b := a.copy("F"), written(b.reshape(-1)), b][2],
    "reshape of a kept order": lambda a: [b := np.copy(a.T), written(b.reshape(-1)), b][2],
    "reshape of a packed part": lambda a: [b := np.array(a[:, ::2]), written(b.reshape(-1)), b][2],
    "reshape of a row-major": lambda a: [
        b := np.ascontiguousarray(a.T + 0),
        written(b.reshape(-1)),
        b,
    ][2],
    "reshape of a column-major": lambda a: [b := np.asfortranarray(a), written(b.reshape(-1)), b][
        2
    ],
    "an order of np.copy": lambda a: np.copy(a, "F"),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_what_is_written_is_seen_where_numpy_shares_memory(name):
    same(lambda x: LAYOUTS[name](np.outer(x, x[:3])) * 1.0, X)


@pytest.mark.parametrize("name", ["diagonal of a part", "diagonal of a part, read later"])
def test_the_array_sees_what_is_written_into_its_diagonal(name):
    def f(x):
        a = np.outer(x, x[:3])
        LAYOUTS[name](a)
        return a

    same(f, X)
    np.testing.assert_allclose(dr.compile(f)(X), f(X))


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
    with pytest.raises(ValueError, match="element 0 to 5 of an array of 4"):
        dr.grad(lambda x: as_strided(x, (6,)).sum())(X)
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


# --- values where rounding and signs count ---

ODD = np.array([np.inf, -np.inf, np.nan, 0.0, -0.0, 1e308, -1e308, 5e-324, 0.5, -1.5, 2.5, 1e17])
OF_ONE = """
    absolute sign exp exp2 log log2 log10 expm1 log1p sqrt square sin cos tan arctan sinh cosh tanh arcsinh
    arccosh floor ceil trunc rint isfinite isnan isinf signbit angle modf nan_to_num sinc
""".split()
OF_TWO = """
    add multiply divide power floor_divide arctan2 maximum minimum fmax fmin copysign heaviside logaddexp
    logaddexp2 remainder
""".split()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", OF_ONE + OF_TWO)
def test_infinities_and_zeros_of_either_sign(name):
    f = getattr(np, name)
    args = (ODD,) if name in OF_ONE else tuple(np.ravel(x) for x in np.meshgrid(ODD, ODD))
    for found in (dr.vjp(f, *args)[0], dr.compile(f)(*args)):
        pairs = zip(np.atleast_2d(found), np.atleast_2d(f(*args)), strict=True)
        for y, expected in pairs:
            np.testing.assert_allclose(y, expected, rtol=1e-13)
    if name in ("signbit", "copysign", "trunc", "modf"):
        for y, expected in zip(np.atleast_2d(found), np.atleast_2d(f(*args)), strict=True):
            np.testing.assert_array_equal(1 / y, 1 / expected)


@pytest.mark.parametrize("f", [np.log2, np.log10, np.cbrt])
def test_roots_and_logarithms_of_powers_are_integers(f):
    whole = np.arange(1.0, 21.0)
    x = {np.log2: 2.0**whole, np.log10: 10.0**whole, np.cbrt: whole**3}[f]
    np.testing.assert_array_equal(dr.vjp(f, x)[0], whole)
    np.testing.assert_array_equal(np.floor(dr.compile(f)(x)), whole)
    dr.check_grads(f, 8.0 if f is np.cbrt else 2.0, order=2)


@pytest.mark.parametrize("f", [np.arcsinh, np.arccosh])
def test_hyperbolic_inverses_of_huge_numbers(f):
    assert dr.grad(f)(1e200) == pytest.approx(1e-200) and dr.grad(f)(1e20) == pytest.approx(1e-20)
    dr.check_grads(f, 3.0, order=2)


def test_a_median_beside_an_infinity():
    for x in ([np.inf, 1.0, -np.inf], [1.0, np.inf, np.inf], [1.0, 2.0, np.inf]):
        assert dr.vjp(np.median, np.array(x))[0] == np.median(x)


# --- what is refused ---


def lacks(argument):
    return lambda: dr.grad(lambda x: 1.0)(argument)


class Plain:
    pass


REFUSED = {
    "an object": (lacks(Plain()), "argument 0 of <lambda> is a Plain; pass arrays of floats"),
    "a set": (lacks({1.0}), "is a set; pass arrays"),
    "a long double": (lacks(np.longdouble(1)), r"dtype float128; pass floats, x.astype\(float\)"),
    "argnums": (lambda: dr.grad(np.sum, None)(X), "argnums None names no argument"),
    "a type": (
        lambda: dr.grad(lambda x: np.sum(x.astype(np.longdouble)))(X),
        "does not become float128; traced are floats",
    ),
    "a root": (
        lambda: dr.grad(lambda x: math.acos(x))(0.5),
        r"^acos\(\) asks.*Write np.arccos, or",
    ),
    "an integer": (
        lambda: dr.grad(lambda x: x[int(x[0])])(X),
        r"^int\(\) asks.*int\(np.floor\(x\)\)",
    ),
    "a draw": (
        lambda: dr.grad(lambda x: np.random.default_rng(0).normal(x[0]))(X),
        r"^normal\(\) asks.*loc \+ scale \* rng.standard_normal",
    ),
    "a permutation": (
        lambda: dr.grad(lambda x: np.random.default_rng(0).permutation(x)[0])(X),
        r"Write x\[rng.permutation\(len\(x\)\)\]",
    ),
    "a complex cotangent": (
        lambda: dr.vjp(np.sin, X)[1](1j * X),
        r"a cotangent of complex128 was given for a result f64\[4\], which is real",
    ),
    "a complex tangent": (
        lambda: dr.jvp(np.sin, (X,), (1j * X,)),
        r"a tangent of complex128 was given for a primal f64\[4\], which is real",
    ),
    "primals that are no tuple": (
        lambda: dr.jvp(np.sin, 1.0, 1.0),
        r"dr.jvp\(f, \(x,\), \(dx,\)\), not a float and a float",
    ),
    "a list": (
        lambda: dr.grad(lambda x: np.maximum.reduce([x, x**2]).sum())(X),
        r"Make a list that you hand over an array, reduce\(np.array\(\[...\]\)\), or",
    ),
    "a mask": (
        lambda: dr.grad(lambda x: np.ma.array(x))(X),
        r"plain array, np.where\(mask, 0, x\)",
    ),
    "a matrix": (lambda: dr.grad(lambda x: np.matrix(x))(X), "plain array, for which @ is"),
    "another square root": (lambda: dr.grad(lambda x: np.emath.sqrt(x))(X), "np.sqrt has one"),
    "a method": (lambda: dr.grad(lambda x: x.tolist())(X), r"^tolist\(\) asks"),
    "a number while compiling": (
        lambda: dr.compile(lambda x: x[int(x[0])])(X),
        r"^int\(\) asks.*not known yet while compiling.*np.where",
    ),
    "an iterator": (
        lambda: dr.grad(lambda x: [*np.nditer(x)])(X),
        "np.nditer has no rule.*ndindex",
    ),
    "a method of arrays": (
        lambda: dr.grad(lambda x: x.resize(5))(X),
        r"np.ndarray.resize has no rule",
    ),
    "a ufunc of Python": (
        lambda: dr.grad(lambda x: np.frompyfunc(abs, 1, 1)(x))(X),
        "np.frompyfunc has no rule.*np.vectorize has one",
    ),
    "a ufunc's method": (
        lambda: dr.grad(lambda x: np.add.at(OUTSIDE, [0], x[:1]))(X),
        "np.add.at writes a traced value into an array made outside",
    ),
    "a vectorized function": (
        lambda: dr.grad(lambda x: np.vectorize(lambda a: 0 if a < 0.35 else a)(x).sum())(X),
        "a traced float64 is written into an array of int64",
    ),
    "a shape": (
        lambda: dr.grad(lambda x: setattr(x, "shape", (2, 2)))(X),
        r"test_surface.py:\d+\). Write x = x.reshape\(\(2, 2\)\)",
    ),
}


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_is_named_with_its_cure(name):
    use, words = REFUSED[name]
    with pytest.raises((dr.errors.DeltaruleError), match=words):
        use()


# --- arguments that are rare ---

RARE = {
    "two results into arrays": lambda x: np.add(*np.divmod(x, 0.25, out=(x * 0.0, np.zeros(4)))),
    "one result into an array": lambda x: np.modf(x, out=(None, np.zeros(4)))[1] * x,
    "casting": lambda x: np.add(x, 1, dtype=float, casting="unsafe", order="K", subok=False),
    "directives": lambda x: (
        np.r_["0,2", x, x * 2] + np.r_["1,2,0", x, x][:2, :1] + np.r_["-1", x, 0.0][0]
    ),
    "shapes in arrays": lambda x: (
        np.reshape(x, np.array([2, 2]))
        + np.broadcast_to(x[:2], np.array([2, 2]))
        + np.zeros(np.array([2, 2]))
    ),
    "excluded": lambda x: np.vectorize(lambda a, p: a * p[1], excluded=[1])(x, x),
    "keywords": lambda x: np.vectorize(lambda a, p=2.0: a * p)(x, p=x[:1]),
    "signature": lambda x: np.vectorize(lambda a, b: a @ b, signature="(n),(n)->()")(
        np.outer(x, x), x
    ),
    "rows": lambda x: np.vectorize(lambda a: np.outer(a, a), signature="(n)->(n,n)")(
        np.outer(x, x)
    ),
    "a type of results": lambda x: np.vectorize(lambda a: 1 if a > 1 else a, otypes=[float])(x),
    "the first result's type": lambda x: np.vectorize(lambda a: 0 if a < 1 else 2.7)(x) * x,
}


@pytest.mark.parametrize("name", RARE)
def test_a_rare_argument(name):
    same(RARE[name], X)


def test_sizes_are_numbers_of_python():
    """Others are equal to them in every cache, and then no text of a program."""

    def f(x):
        return [np.full(np.array([3, 3]), x[0]), np.broadcast_to(x, np.array([2, 4]))]

    types = stage(f, [type_of(X)]).graph.result_types
    assert {type(n) for kind in types for n in kind.shape} == {int}


# --- several arguments ---


def test_jacobians_and_hessians_of_several_arguments():
    def f(x, y):
        return np.sum(x**2) * y["a"] ** 3

    y = {"a": 0.5}
    by_x, by_y = dr.jacobian(f, (0, 1))(X, y)
    np.testing.assert_allclose(by_x, 2 * X * 0.125)
    assert by_y["a"] == pytest.approx(3 * 0.25 * np.sum(X**2))
    of_x, of_y = dr.hessian(f, argnums=(0, 1))(X, y)
    np.testing.assert_allclose(of_x[0], 2 * 0.125 * np.eye(4))
    np.testing.assert_allclose(of_x[1]["a"], 6 * 0.25 * X)
    np.testing.assert_allclose(of_y["a"][0], 6 * 0.25 * X)
    assert of_y["a"][1]["a"] == pytest.approx(6 * 0.5 * np.sum(X**2))
    assert dr.jacobian(f, [1])(X, y)[0].keys() == y.keys()


def test_casting_is_asked_for_by_astype():
    with pytest.raises(TypeError, match="casting='safe'"):
        dr.grad(lambda x: x.astype("f4", casting="safe").sum())(X)
