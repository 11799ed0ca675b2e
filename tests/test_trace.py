"""Tracing plain NumPy: levels, closures, what may leave a trace, branches, creation functions, dtypes.

In: functions as users write them. Out: derivatives, or errors that name the line and the cure.
"""

from __future__ import annotations

import copy
import functools
import gc
import math
import pickle
import threading
import types
import weakref
from operator import attrgetter

import numpy as np
import pytest

import deltarule as dr
from deltarule.derive import stage
from deltarule.derive.creation import NAMES, ORIGINAL
from deltarule.derive.trace import SNAPSHOT
from deltarule.errors import (
    BranchError,
    DeltaruleError,
    EscapedTracer,
    NoRuleError,
    TracedValueError,
)
from deltarule.program import interpret, type_of

X = np.array([1.0, 2.0, 3.0])


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)


# --- levels ---


@pytest.mark.parametrize("order", [1, 2, 3, 4, 5])
def test_gradients_of_gradients(order):
    f = np.sin
    for _ in range(order):
        f = dr.grad(f)
    close(
        f(0.5), [np.cos, lambda x: -np.sin(x), lambda x: -np.cos(x), np.sin, np.cos][order - 1](0.5)
    )


def test_an_inner_gradient_uses_the_outer_variable():
    def f(x):
        return x * dr.grad(lambda y: x * y**3)(x)  # 3 x^4

    close(dr.grad(f)(2.0), 12 * 2.0**3)
    close(dr.grad(dr.grad(f))(2.0), 36 * 2.0**2)


def test_levels_are_not_confused():
    inner = lambda x: dr.grad(lambda y: x)(1.0)  # noqa: E731  (the classical trap: d/dy of x is 0)
    close(dr.grad(lambda x: x * inner(x))(3.0), 0.0)
    close(dr.grad(lambda x: x * dr.grad(lambda y: x + y)(1.0))(3.0), 1.0)


def test_modes_nest():
    cube = lambda x: np.sum(x**3)  # noqa: E731
    v = np.array([1.0, -1.0, 2.0])
    close(dr.jvp(dr.grad(cube), (X,), (v,))[1], 6 * X * v)
    close(dr.grad(lambda x: dr.jvp(cube, (x,), (v,))[1])(X), 6 * X * v)
    close(dr.jvp(lambda x: dr.jvp(cube, (x,), (v,))[1], (X,), (v,))[1], np.sum(6 * X * v * v))
    close(dr.grad(lambda x: np.sum(dr.vjp(cube, x)[1](1.0)[0] * v))(X), 6 * X * v)
    close(dr.vjp(lambda x: dr.vjp(cube, x)[1](2.0)[0], X)[1](v)[0], 12 * X * v)


def test_batches_nest():
    close(dr.vmap(dr.grad(np.sin))(X), np.cos(X))
    close(dr.vmap(dr.grad(dr.grad(np.sin)))(X), -np.sin(X))
    close(
        dr.grad(lambda w: np.sum(dr.vmap(lambda x: np.sin(w * x))(X)))(0.5),
        np.sum(np.cos(0.5 * X) * X),
    )
    outer = dr.vmap(dr.vmap(lambda a, b: a * b, in_axes=(None, 0)), in_axes=(0, None))
    close(outer(X, X), np.outer(X, X))
    close(dr.vmap(dr.jacobian(lambda x: x**2))(np.stack([X, X])), np.stack([np.diag(2 * X)] * 2))
    close(dr.jacobian(dr.vmap(np.sin))(X), np.diag(np.cos(X)))
    close(dr.vmap(lambda x: dr.vmap(lambda y: x * y)(X))(X), np.outer(X, X))
    close(dr.vmap(dr.hessian(lambda x: np.sum(x**3)))(np.stack([X, 2 * X]))[1], np.diag(12 * X))


def test_outer_values_written_inside_stay_outer():
    def f(x):
        a = x * 1.0

        def inner(y):
            before = np.sum(a * y)
            a[0] = 10.0 * x[1]
            return before + np.sum(a * y)

        return dr.grad(inner)(2.0) + a[0]

    def plain(x):  # d/dy inner = sum(x) + 10 x1 + x1 + x2
        return np.sum(x) + 10.0 * x[1] + x[1] + x[2] + 10.0 * x[1]

    close(f(X), plain(X))
    close(dr.grad(f)(X), dr.grad(plain)(X))


def test_inner_values_do_not_enter_outer_arrays():
    def f(x):
        a = x * 1.0

        def inner(y):
            a[0] = y
            return np.sum(a)

        return dr.grad(inner)(2.0)

    with pytest.raises(TracedValueError, match="inside the inner function"):
        dr.grad(f)(X)


# --- escaping ---


def kept_after(f, *args):
    kept = []
    f(lambda x: kept.append(x) or np.sum(x), *args)
    return kept[0]


USES = {
    "+": lambda x: x + 1,
    "-x": lambda x: -x,
    "==": lambda x: x == 1,
    "sin": np.sin,
    "sum": np.sum,
    "index": lambda x: x[0],
    "float": lambda x: float(x[0]),
    "bool": bool,
    "asarray": np.asarray,
    "list": list,
    "write": lambda x: x.__setitem__(0, 1.0),
    "write in place": lambda x: x.__iadd__(1.0),
    "item": lambda x: x.item(),
    "copy": lambda x: x.copy(),
    "in another trace": lambda x: dr.grad(lambda y: y * np.sum(x))(1.0),
    "written in another trace": lambda x: dr.grad(lambda y: x.__setitem__(0, y) or y)(1.0),
    "in vmap": lambda x: dr.vmap(lambda y: y * x)(X),
    "in scan": lambda x: dr.scan(lambda c, y: (c * x[0], None), 0.0, X),
    "as an argument": lambda x: dr.grad(np.sum)(x),
}


@pytest.mark.parametrize("use", USES)
def test_an_escaped_value_is_refused(use):
    with pytest.raises(EscapedTracer, match=r"\(test_trace.py:\d+"):
        USES[use](kept_after(lambda f: dr.grad(f)(X)))


def test_an_escaped_value_still_shows_its_number():
    x = kept_after(lambda f: dr.grad(f)(X))
    assert "f64[3]" in repr(x) and "[1. 2. 3.]" in repr(x)
    np.testing.assert_array_equal(dr.value(x), X)


def test_an_escaped_value_of_types_alone_is_refused():
    x = kept_after(lambda f: dr.vmap(f)(np.stack([X, X])))
    with pytest.raises(EscapedTracer):
        x + 1


def test_a_trace_ended_by_an_exception_is_closed():
    kept = []

    def f(x):
        kept.append(x)
        raise RuntimeError("of the user")

    with pytest.raises(RuntimeError, match="of the user"):
        dr.grad(f)(X)
    with pytest.raises(EscapedTracer):
        kept[0] + 1
    assert all(attrgetter(name)(np) is ORIGINAL[name] for name in NAMES)


def test_a_trace_is_freed_without_the_collector():
    freed = []

    class Flag:
        def __del__(self):
            freed.append(True)

    def f(x):
        flag = Flag()
        return np.sum(x) + 0 * len([flag])

    gc.disable()
    try:
        dr.grad(f)(X)
        dr.value_and_grad(lambda x: np.sum(x**2))(X)
        assert freed
    finally:
        gc.enable()


# --- numbers leave only on purpose ---

EXITS = {
    "math.sin": lambda x: math.sin(x[0]),
    "math.floor": lambda x: math.floor(x[0]),
    "float": lambda x: float(x[0]),
    "int": lambda x: int(x[0]),
    "complex": lambda x: complex(x[0]).real,
    "item": lambda x: x[0].item(),
    "item of": lambda x: x.item(0),
    "tolist": lambda x: x.tolist()[0],
    "index of a list": lambda x: [1.0, 2.0, 3.0, 4.0][x[0]],
    "range": lambda x: sum(range(x[0])),
    "np.float64": lambda x: np.float64(x[0]),
    "np.asarray inside NumPy": lambda x: np.vectorize(math.sin)(x).sum(),
    "np.fromiter": lambda x: np.fromiter(x, float).sum(),
    "a list in a ufunc": lambda x: np.exp([x[0], 1.0])[0],
    "hash": lambda x: {x[0]: 1.0} and x[0],
    "pickle": lambda x: len(pickle.dumps(x)) * x[0],
    "an outside array": lambda x: OUTSIDE.__setitem__(0, x[0]) or OUTSIDE.sum(),
    "a slice of an outside array": lambda x: OUTSIDE.__setitem__(slice(None), x) or OUTSIDE.sum(),
    "a list into an outside array": lambda x: (
        OUTSIDE.__setitem__(slice(0, 2), [x[0], 1.0]) or OUTSIDE.sum()
    ),
    "an outside integer array": lambda x: INTEGERS.__setitem__(0, x[0]) or OUTSIDE.sum(),
    "an outside array, fancy": lambda x: OUTSIDE.__setitem__([0, 1], x[:2]) or OUTSIDE.sum(),
    "an outside array, mask": lambda x: OUTSIDE.__setitem__(OUTSIDE == 0, x[0]) or OUTSIDE.sum(),
    "in place": lambda x: OUTSIDE.__iadd__(x).sum(),
    "out=": lambda x: np.sin(x, out=OUTSIDE).sum(),
    "out= of a reduction": lambda x: np.sum(x, out=OUTSIDE[:1].reshape(())),
    "ufunc.at": lambda x: np.add.at(OUTSIDE, [0], x[0]) or OUTSIDE.sum(),
    "copyto": lambda x: np.copyto(OUTSIDE, x) or OUTSIDE.sum(),
    "put": lambda x: np.put(OUTSIDE, [0], x[0]) or OUTSIDE.sum(),
    "place": lambda x: np.place(OUTSIDE, OUTSIDE == 0, x) or OUTSIDE.sum(),
    "fill_diagonal": lambda x: np.fill_diagonal(np.empty_like.__wrapped__(MATRIX), x) or x[0],
    "fill": lambda x: OUTSIDE.fill(x[0]) or OUTSIDE.sum(),
    "a copy by method": lambda x: OUTSIDE.copy().__setitem__(0, x[0]) or x[0],
    "scipy": lambda x: __import__("scipy.special").special.bei(x).sum(),
    "scipy.linalg": lambda x: __import__("scipy.linalg").linalg.schur(x)[0],
}
OUTSIDE, INTEGERS, MATRIX = np.zeros(3), np.zeros(3, int), np.zeros((3, 3))


@pytest.mark.parametrize("way", EXITS)
def test_a_number_does_not_leave_by(way):
    with pytest.raises((TracedValueError, NoRuleError, TypeError)) as caught:
        dr.grad(EXITS[way])(X)
    if way != "hash":
        assert isinstance(caught.value, DeltaruleError)
        assert "test_trace.py:" in str(caught.value) or "outside" in str(caught.value)
    assert not OUTSIDE.any() and not INTEGERS.any()


def test_the_message_says_the_cure():
    with pytest.raises(TracedValueError, match=r"^sin\(\) asks.*Write np\.sin, or.*dr\.value"):
        dr.grad(lambda x: math.sin(x))(1.0)
    with pytest.raises(TracedValueError, match=r"np\.zeros, np\.array or np\.copy.*dr\.value"):
        dr.grad(EXITS["a list into an outside array"])(X)
    with pytest.raises(TracedValueError, match=r"np\.zeros, .*instead of math.*dr\.value"):
        dr.grad(EXITS["range"])(X)


def test_an_error_hidden_by_numpy_is_raised_in_its_place():
    with pytest.raises(TracedValueError) as caught:
        dr.grad(EXITS["an outside array"])(X)
    assert caught.value.__cause__ is None


def test_value():
    close(dr.grad(lambda x: x * dr.value(x))(3.0), 3.0)
    assert type(dr.value(2.0)) is float
    seen = []
    for x in (3.0, np.float64(3.0)):
        dr.grad(dr.grad(lambda x: seen.append(dr.value(x)) or x**2))(x)
    assert [type(x) for x in seen] == [float, np.float64]

    def f(x):
        number = dr.value(x)
        number[0] = 100.0
        return np.sum(x)

    close(dr.value_and_grad(f)(X)[0], 6.0)
    with pytest.raises(TracedValueError, match="not known"):
        dr.vmap(lambda x: dr.value(x))(X)


def test_text_of_a_traced_value():
    seen = []
    dr.grad(lambda x: seen.append((f"{x:.2f}", f"{x * 2:+.1e}", str(x), repr(x))) or x)(1.5)
    dr.grad(dr.grad(lambda x: seen.append(f"{x:.1f}") or x**2))(1.5)
    assert seen[0] == ("1.50", "+3.0e+00", "Traced(f64[] = 1.5)", "Traced(f64[] = 1.5)")
    assert seen[1] == "1.5"
    dr.vmap(lambda x: seen.append(f"{x}") or x)(X)
    assert seen[2] == "Traced(f64[])"


def test_values_without_a_gradient_behave_as_numbers():
    def f(x):
        n = np.arange(1.0, 4.0)
        i = np.arange(3)
        total = (
            math.sin(n[0])
            + float(n[1])
            + n[2].item()
            + sum(n.tolist())
            + int(n[1])
            + complex(n[0]).real
        )
        total += (
            [10.0, 20.0, 30.0][i[1]]
            + {0: 1.0, 2: 5.0}[i[2]]
            + sum(range(i[2]))
            + len("abc"[: i[2]])
        )
        total += np.zeros(i[2]).size + np.asarray(n).sum() + sorted(n, reverse=True)[0]
        return total * x[i[0]]

    plain = dr.grad(lambda x: f(x))(X)
    close(plain, [f(np.array([1.0, 0, 0])), 0, 0])


def test_the_array_behind_such_a_value_is_read_only():
    def f(x):
        n = np.arange(3.0)
        assert not n.__array__().flags.writeable
        assert not np.frombuffer(memoryview(n.__array__()), float).flags.writeable
        return np.sum(x)

    dr.grad(f)(X)


def test_copies():
    def f(x):
        a, b = copy.copy(x), copy.deepcopy({"x": x})["x"]
        a[0], b[1] = 0.0, 0.0
        return np.sum(x * a * b)

    close(dr.grad(f)(X), dr.grad(lambda x: x[2] ** 3)(X))


# --- branches ---


def test_branches_are_fine_where_values_are_known():
    relu = lambda x: x if x > 0 else 0.0 * x  # noqa: E731
    close([dr.grad(relu)(1.0), dr.grad(relu)(-1.0)], [1.0, 0.0])
    close(dr.grad(lambda x: max(x, 0.5) * min(x, 0.5))(0.7), 0.5)
    close(dr.grad(lambda x: sorted([x[0], x[1]])[0] * 3)(np.array([2.0, 1.0])), [0, 3])
    close(dr.grad(lambda x: x if np.any(x > 5) or not np.all(x < 3) else 2 * x)(1.0), 2.0)
    close(dr.grad(dr.grad(lambda x: x**3 if x > 0 else x))(2.0), 12.0)
    close(dr.jvp(relu, (2.0,), (3.0,))[1], 3.0)

    def doubling(x):
        while x < 100:
            x = x * 2
        return x

    close(dr.grad(doubling)(1.0), 128.0)


@pytest.mark.parametrize(
    "use",
    [
        lambda x: x if x > 0 else -x,
        lambda x: x if x == 0 else -x,
        lambda x: max(x, 0.0),
        lambda x: x and 1.0,
        lambda x: [1.0 for _ in range(3) if x > 1],
        lambda x: 1.0 if x in (1.0, 2.0) else x,
    ],
)
def test_branches_are_refused_where_values_are_not_known(use):
    for run in (
        lambda: dr.vmap(use)(X),
        lambda: dr.scan(lambda c, x: (c, use(x)), 0.0, X),
        lambda: dr.grad(lambda x: np.sum(dr.vmap(use)(x)))(X),
        lambda: stage(lambda x: [use(x)], [type_of(np.float64(1))]),
    ):
        with pytest.raises(BranchError, match=r"np\.where"):
            run()


def test_the_error_names_the_line():
    def f(x):
        y = x * 2
        return y if y > 0 else x

    line = f.__code__.co_firstlineno + 2
    with pytest.raises(BranchError, match=rf"test_trace\.py:{line}\)"):
        dr.vmap(f)(X)


# --- creation functions ---

MADE = {
    "zeros": lambda: np.zeros(3),
    "ones": lambda: np.ones(3),
    "full": lambda: np.full(3, 2.0),
    "empty": lambda: np.empty(3),
    "eye": lambda: np.eye(3)[0],
    "identity": lambda: np.identity(3)[1],
    "arange": lambda: np.arange(3.0),
    "linspace": lambda: np.linspace(0, 1, 3),
    "array": lambda: np.array([1.0, 2.0, 3.0]),
    "asarray": lambda: np.asarray([1.0, 2.0, 3.0]),
    "array of an array": lambda: np.array(OUTSIDE),
    "copy": lambda: np.copy(OUTSIDE),
    "zeros_like": lambda: np.zeros_like(OUTSIDE),
    "ones_like": lambda: np.ones_like(OUTSIDE),
    "full_like": lambda: np.full_like(OUTSIDE, 3.0),
    "tri": lambda: np.tri(3)[2],
    "an expression": lambda: np.zeros(3) + OUTSIDE * 2,
    "by keyword": lambda: np.zeros(shape=(3,), dtype=float),
    "in a list": lambda: [np.zeros(3) for _ in range(2)][-1],
    "on several lines": lambda: np.zeros(
        3,
    ),
}


@pytest.mark.parametrize("way", MADE)
def test_arrays_made_inside_take_traced_values(way):
    def f(x):
        a = MADE[way]()
        a[1] = x[0] ** 2
        return np.sum(a * [0.0, 1.0, 0.0])

    close(dr.grad(f)(X), [2.0, 0, 0])
    close(dr.vmap(f)(np.stack([X, 2 * X])), [1.0, 4.0])
    assert not OUTSIDE.any()


def test_arrays_of_traced_values():
    f = lambda x: np.array([[x[0], 1.0], [2.0, x[1] * x[2]]])  # noqa: E731
    close(dr.jacobian(f)(X)[1, 1], [0, 3, 2])
    close(dr.grad(lambda x: np.sum(np.full((2, 2), x[0])))(X), [4, 0, 0])
    close(dr.grad(lambda x: np.sum(np.linspace(x[0], x[1], 5)))(X), [2.5, 2.5, 0])
    close(dr.grad(lambda x: np.sum([v**2 for v in x]))(X), 2 * X)
    close(dr.grad(lambda x: np.max([x[0], 0.5, x[1]]))(X), [0, 1, 0])
    close(dr.grad(lambda x: np.dot([x[0], x[1]], [3.0, 4.0]))(X), [3, 4, 0])


def test_a_name_for_a_creation_function():
    def f(x):
        make, wrapped = np.zeros, functools.partial(np.ones, 3)
        a = make(3)
        a[0] = x[0]
        b = wrapped() * x
        return np.sum(a * b)

    close(dr.grad(f)(X), [2.0, 0, 0])


def test_creation_functions_are_numpys_own_outside_of_traces():
    assert all(attrgetter(name)(np) is ORIGINAL[name] for name in NAMES)
    dr.grad(np.sum)(X)
    assert all(attrgetter(name)(np) is ORIGINAL[name] for name in NAMES)
    assert type(np.zeros(3)) is np.ndarray


def test_what_others_put_into_numpy_stays_there(monkeypatch):
    """A trace puts nothing into ``numpy``'s names, so it takes nothing out of them either."""
    monkeypatch.setattr(np, "sum", lambda x: x[0] * x[1])
    close(dr.grad(lambda x: np.prod(x))(X), [6.0, 3.0, 2.0])
    assert np.sum is not ORIGINAL["sum"]
    assert type(np) is type(np.linalg) is type(np.fft) is types.ModuleType


def test_other_threads_get_numpys_own():
    seen = []

    def f(x):
        thread = threading.Thread(
            target=lambda: seen.append((type(np.zeros(3)), type(np.array([1.0]))))
        )
        thread.start()
        thread.join()
        return np.sum(x)

    dr.grad(f)(X)
    assert seen == [(np.ndarray, np.ndarray)]


def test_two_threads_trace_at_once():
    start, results = threading.Barrier(2), {}

    def work(n):
        def f(x):
            start.wait()
            total = np.zeros(3)
            for i in range(200):
                total[i % 3] = total[i % 3] + x[0] * n
            return np.sum(total)

        results[n] = dr.grad(f)(X)

    threads = [threading.Thread(target=work, args=(n,)) for n in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    close(results[1], [200.0, 0, 0])
    close(results[2], [400.0, 0, 0])
    assert np.zeros is ORIGINAL["zeros"]


def test_numpy_and_scipy_get_their_own_arrays():
    """Compiled code that calls ``numpy.empty`` would crash on anything else than an array."""
    from scipy import interpolate, linalg, optimize, special, stats

    rng = np.random.default_rng(0)

    def f(x):
        a = (
            rng.normal(size=3)
            + rng.permutation(3)
            + rng.choice(3, size=3, replace=False)
            + rng.integers(0, 9, 3)
        )
        a += np.random.RandomState(1).normal(size=3)
        a += special.gamma(np.arange(1.0, 4.0)) + linalg.solve(np.eye(3), np.ones(3))
        a += optimize.minimize(lambda v: np.sum((v - 1) ** 2), np.zeros(3)).x
        a += interpolate.CubicSpline(np.arange(4.0), np.arange(4.0) ** 2)(np.array([0.5, 1.5, 2.5]))
        a += (
            stats.norm.pdf(np.linspace(-1, 1, 3))
            + np.linalg.inv(np.eye(3))[0]
            + np.fft.fft(np.ones(3)).real
        )
        a += np.cov(np.eye(3))[0] + np.polyfit(np.arange(5.0), np.arange(5.0), 2)
        return np.sum(a * x)

    assert dr.grad(f)(X).shape == (3,)


# --- dtypes ---


def test_gradients_have_the_dtype_of_their_argument():
    for dtype in (np.float32, np.float64):
        x = X.astype(dtype)
        for f in (
            lambda x: np.sum(x * 2.5 + 1),
            lambda x: np.sum(x * np.float64(2.5)),
            lambda x: np.sum(x * np.arange(3)),
            lambda x: np.sum(x.astype(np.float64) ** 2),
            lambda x: np.sum(x * np.ones(3, np.float64)),
            lambda x: np.mean(np.where(x > 1, x, 0)),
            lambda x: np.sum(np.concatenate([x, np.zeros(2)])),
        ):
            assert dr.grad(f)(x).dtype == dtype
    assert type(dr.grad(lambda x: x * 2.5)(np.float32(2))) is np.float32
    assert type(dr.grad(lambda x: x * 2.5)(2.0)) is np.float64


def test_python_numbers_are_weak():
    seen = []
    f32 = X.astype(np.float32)
    dr.grad(
        lambda x: (
            seen.append(
                [(x * 2).dtype, (2.5 + x).dtype, (x * np.float64(2)).dtype, (x / np.int64(2)).dtype]
            )
            or np.sum(x)
        )
    )(f32)
    assert seen[0] == [np.float32, np.float32, np.float64, np.float64]


# --- nothing of the caller changes ---


def test_arguments_are_left_alone():
    def f(x, k):
        x[0] = 5 * x[1]
        x *= 2
        k[1] = x[2]
        x.sort()
        return np.sum(x) + np.sum(k)

    x, k = X.copy(), np.zeros(3)
    dr.grad(f)(x, k)
    dr.grad(f)(x, k=k)
    dr.value_and_grad(f, argnums=(0, 1))(x, k)
    dr.jvp(f, (x, k), (x, k))
    dr.vjp(f, x, k)[1](1.0)
    dr.vmap(f)(np.stack([x, x]), np.stack([k, k]))
    dr.hessian(f)(x, k)
    np.testing.assert_array_equal(x, X)
    np.testing.assert_array_equal(k, 0)


def test_results_are_the_callers_own():
    x, ct = X.copy(), np.ones(3)
    y, pullback = dr.vjp(lambda x: x, x)
    (g,) = pullback(ct)
    y2, dy = dr.jvp(lambda x: x, (x,), (ct,))
    mapped = dr.vmap(lambda x: x)(x)
    for out in (y, g, y2, dy, mapped, dr.grad(np.sum)(x), dr.jacobian(lambda x: x)(x)):
        assert out.flags.writeable
        out[...] = 99.0
    np.testing.assert_array_equal(x, X)
    np.testing.assert_array_equal(ct, 1)


def test_results_do_not_share_memory():
    a, b = dr.grad(lambda a, b: np.sum(a + b), argnums=(0, 1))(X, X)
    assert not np.shares_memory(a, b)
    (y, z), _ = dr.vjp(lambda x: (x, x[:2]), X)
    assert not np.shares_memory(y, z)
    tree = dr.grad(lambda t: np.sum(t[0] + t[1]))([X, X])
    assert not np.shares_memory(*tree)


def test_a_pullback_remembers_what_it_needs():
    x = X.copy()
    y, pullback = dr.vjp(np.exp, x)
    y[:] = 0
    x[:] = 0
    close(pullback(np.ones(3))[0], np.exp(X))
    close(pullback(2 * np.ones(3))[0], 2 * np.exp(X))


def test_an_outside_buffer_written_to_between_uses():
    buffer = np.zeros(3)

    def f(x):
        total = 0.0
        for i in range(1, 4):
            buffer[:] = i
            total = total + np.sum(x * buffer)
        return total

    close(dr.grad(f)(X), [6, 6, 6])
    close(dr.vmap(f)(np.stack([X, X])), [36, 36])
    close(dr.jvp(f, (X,), (X,))[1], 36)
    close(dr.hessian(lambda x: f(x * x))(X), 12 * np.eye(3))


def test_a_large_outside_buffer_written_to_between_uses_is_refused():
    buffer = np.zeros(SNAPSHOT // 8 + 1)

    def f(x):
        first = np.sum(x * buffer)
        buffer[:] = 2.0
        return first

    with pytest.raises(TracedValueError, match="written to"):
        dr.grad(f)(np.ones(buffer.size))
    _, pullback = dr.vjp(lambda x: np.sum(x * buffer), np.ones(buffer.size))
    buffer[:] = 3.0
    with pytest.raises(TracedValueError, match="written to"):
        pullback(1.0)


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_odd_arrays():
    big_endian = X.astype(">f8")
    close(dr.grad(lambda x: np.sum(x * big_endian))(big_endian), X)
    fortran = np.asfortranarray(np.outer(X, X))
    close(dr.grad(lambda x: np.sum(x * fortran))(fortran), fortran)
    strided = np.arange(6.0)[::2]
    close(dr.grad(lambda x: np.sum(x * strided))(strided), strided)
    frozen = X.copy()
    frozen.flags.writeable = False
    close(dr.grad(lambda x: np.sum(x**2))(frozen), 2 * X)
    for odd in (np.matrix(np.eye(3)), np.ma.masked_array(np.eye(3))):
        with pytest.raises(DeltaruleError, match=type(odd).__name__):
            dr.grad(lambda x, odd=odd: np.sum(x @ odd))(X)
        with pytest.raises(DeltaruleError, match=type(odd).__name__):
            dr.grad(np.sum)(odd)
    with pytest.raises(NoRuleError, match="object"):
        dr.grad(lambda x: np.sum(x * np.array([1, 2, None])))(X)


def test_subclass_free_types():
    seen = []
    dr.grad(
        lambda x: (
            seen.append((isinstance(x, np.ndarray), isinstance(x, float), np.isscalar(x)))
            or np.sum(x)
        )
    )(X)
    assert seen == [(False, False, False)]


def test_many_names_and_comprehensions():
    def f(x):
        parts = {name: value for name, value in zip("abc", x, strict=True)}
        first, *rest = x
        return (
            parts["a"] * first
            + sum(rest)
            + sum(v for v in reversed(x))
            + functools.reduce(lambda a, b: a * b, x)
        )

    close(dr.grad(f)(X), dr.grad(lambda x: x[0] ** 2 + x[1] + x[2] + np.sum(x) + np.prod(x))(X))


def test_weak_references_to_results_die():
    g = dr.grad(lambda x: np.sum(x**2))(X)
    ref = weakref.ref(g)
    del g
    assert ref() is None


def test_stage_lifts_arrays_and_bakes_numbers():
    w, n = np.array([2.0, 3.0, 4.0]), 5
    whole = stage(lambda x: [x * w * n + np.zeros(3)], [type_of(X)])
    assert len(whole.graph.inputs) == 2 and whole.captured[0] is w
    close(interpret(whole.graph, X, w)[0], X * w * n)
    text = whole.graph.to_text()
    assert "literal" in text and '"value":5' in text


def pieces(x):
    return np.sum(np.piecewise(x, [x < 0.8], [lambda u: u**2, np.log]))


def least_squares(x):
    return np.sum(np.linalg.lstsq(x[:, None] ** np.arange(2), x**2, rcond=None)[0] ** 2)


@pytest.mark.parametrize("f", [pieces, least_squares])
def test_what_is_known_in_a_gradient_is_not_known_in_a_compiled_one(f):
    x = np.array([0.3, 0.7, 1.1, 1.6])
    np.testing.assert_allclose(dr.compile(dr.grad(f))(x), dr.grad(f)(x), rtol=1e-9)


def test_a_mask_in_a_compiled_gradient_is_an_error_with_its_cure():
    with pytest.raises(BranchError, match=r"Write np.where\(mask, x, 0\)"):
        dr.compile(dr.grad(lambda x: np.sum(x[x > 0.5])))(np.ones(3))


def test_a_number_in_a_compiled_gradient_is_not_known():
    with pytest.raises(TracedValueError, match="not known yet"):
        dr.compile(dr.grad(lambda x: np.sum(np.unique(x))))(np.ones(3))
