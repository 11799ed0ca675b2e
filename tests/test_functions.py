"""NumPy's functions on traced values give what NumPy gives: value, shape and dtype; and their gradients hold.

In: expressions over named arrays, written as a user writes them. Out: one test for each expression.
"""

from __future__ import annotations

import re

import numpy as np
import pytest
from scipy import linalg

import deltarule as dr
from deltarule.derive.library import EXCHANGED
from deltarule.derive.table import FUNCTIONS, UFUNCS
from deltarule.derive.trace import stage
from deltarule.errors import GradientError, NoRuleError, TracedValueError
from deltarule.program import interpret, type_of
from forms import ARRAYS, CASES, FORMS, STEPS, by_value, exchanged, floats_of, function_of, name_of
from forms_complex import CASES as COMPLEX


def leaves(y):
    return [leaf for item in y for leaf in leaves(item)] if isinstance(y, (list, tuple)) else [y]


def compare(found, expected):
    """Equal types, nearly equal numbers; what is no array must be equal."""
    assert len(leaves(found)) == len(leaves(expected))
    for a, b in zip(leaves(found), leaves(expected), strict=True):
        if not isinstance(b, (np.ndarray, np.generic)):
            assert a == b
            continue
        assert type_of(a) == type_of(b)
        rtol = {2: 1e-2, 4: 2e-6}.get(b.dtype.itemsize, 1e-12) if b.dtype.kind == "f" else 0
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol)


def numbers(y):
    return [dr.value(leaf) for leaf in leaves(y)]


@pytest.mark.parametrize("expression", CASES)
def test_value_and_type_are_those_of_numpy(expression):
    f = function_of(expression)
    given = [ARRAYS[name] for name in floats_of(expression)]
    kept = []
    dr.grad(
        lambda *xs: kept.append(numbers(f(*xs[1:]))) or xs[0], argnums=tuple(range(len(given) + 1))
    )(1.0, *given)
    compare(kept[0], f(*given))


@pytest.mark.parametrize("expression", [e for e in CASES if not by_value(e)])
def test_the_same_on_types_alone(expression):
    f = function_of(expression)
    given = [ARRAYS[name] for name in floats_of(expression)]
    expected = f(*given)
    plain = [not isinstance(y, (np.ndarray, np.generic)) for y in leaves(expected)]
    fixed = []

    def arrays(*xs):
        ys = leaves(f(*xs))
        fixed.extend(y for y, skip in zip(ys, plain, strict=True) if skip)
        return [y for y, skip in zip(ys, plain, strict=True) if not skip]

    whole = stage(arrays, [type_of(x) for x in given])
    found = interpret(whole.graph.check(), *given, *whole.captured)
    compare(list(found), [y for y, skip in zip(leaves(expected), plain, strict=True) if not skip])
    assert fixed == [y for y, skip in zip(leaves(expected), plain, strict=True) if skip]


def smooth(expression):
    given = [ARRAYS[name] for name in floats_of(expression)]
    if (
        not given
        or any(x.dtype != np.float64 for x in given)
        or any(word in expression for word in STEPS)
    ):
        return False
    found = leaves(function_of(expression)(*given))
    return any(getattr(y, "dtype", None) == np.float64 for y in found)


@pytest.mark.parametrize("expression", [e for e in CASES if smooth(e)])
def test_gradient(expression):
    f = function_of(expression)
    given = [ARRAYS[name] for name in floats_of(expression)]
    chosen = lambda *xs: [y for y in leaves(f(*xs)) if getattr(y, "dtype", None) == np.float64]  # noqa: E731
    dr.check_grads(chosen, *given, order=1)


NEW = "quantiles, numbers that are not NaN, statistics, methods of ufuncs, differences and totals"
NEW += ", lists of numbers, edges of forms"
NEW += ", classes of polynomials"
NEW += ", scipy.stats, scipy.signal, integrate, spatial, fft"
NEW += ", convolutions, interpolation, polynomials, padding, linear algebra, scipy.special, scipy.linalg"


@pytest.mark.parametrize("family", [name for name in FORMS if name in NEW])
def test_the_forms_of_a_family_are_compiled_as_one_program(family):
    written = [e.strip() for line in FORMS[family].splitlines() for e in line.split("; ")]
    chosen = [e for e in written if e in CASES and not by_value(e) and smooth(e)]
    functions = [(function_of(e), floats_of(e)) for e in chosen]
    names = sorted({name for _, names in functions for name in names})

    def program(*xs):
        given = dict(zip(names, xs, strict=True))
        return [leaves(f(*(given[n] for n in used))) for f, used in functions]

    found = dr.compile(program)(*(ARRAYS[name] for name in names))
    for y, (f, used), e in zip(found, functions, chosen, strict=True):
        expected = leaves(f(*(ARRAYS[name] for name in used)))
        for a, b in zip(y, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11, err_msg=e)


def functions_with_a_rule():
    dr.grad(np.sum)(np.ones(1))  # loads SciPy's rules
    return [*(name_of(f) for f in (*FUNCTIONS, *UFUNCS)), *exchanged(EXCHANGED)]


ALIASES = """
    np.amin np.around np.radians np.conjugate np.true_divide np.bitwise_not np.row_stack np.vstack
""".split()


def test_every_rule_of_a_function_is_in_some_form():
    text = "\n".join([*CASES, *COMPLEX]) + WRITERS
    missing = [
        name
        for name in functions_with_a_rule()
        if not re.search(rf"\b{re.escape(name)}\(", text + " ")
        and not re.search(rf"\w\.{name.rpartition('.')[2]}\(", text)
        and name not in (*ALIASES, *WRITERS.split())
    ]
    assert missing == []


# In test_inplace.py.
WRITERS = """
    np.copyto np.putmask np.place np.fill_diagonal np.put np.put_along_axis
    np.shares_memory np.may_share_memory
"""


# --- dtypes ---

DTYPES = ["bool", "int8", "uint8", "int32", "uint32", "int64", "float16", "float32", "float64"]
NUMBERS = [True, 2, 1.5, np.float32(1.5), np.float64(1.5), np.int8(2), np.int64(2), np.uint8(2)]
BINARY = [
    np.add,
    np.multiply,
    np.subtract,
    np.divide,
    np.power,
    np.maximum,
    np.floor_divide,
    np.less,
    np.arctan2,
    np.bitwise_or,
]
UNARY = [
    np.exp,
    np.sqrt,
    np.negative,
    np.absolute,
    np.sign,
    np.floor,
    np.square,
    np.isnan,
    np.logical_not,
    np.invert,
    np.sum,
    np.mean,
    np.max,
    np.prod,
    np.var,
    np.cumsum,
    np.round,
]


def type_or_error(f, *args):
    try:
        with np.errstate(all="ignore"):
            return type_of(f(*args))
    except (TypeError, ValueError) as error:
        return type(error)


def traced_type(f, *args):
    """The result type while tracing, of arguments that are constants of the trace."""
    found = []

    def run(_):
        given = [np.copy(x) if isinstance(x, np.ndarray) else x for x in args]
        found.append(type_or_error(lambda *xs: dr.value(f(*xs)), *given))
        return 0.0

    dr.grad(run)(1.0)
    return found[0]


def same_type(f, *args):
    expected, found = type_or_error(f, *args), traced_type(f, *args)
    if isinstance(expected, type):
        assert isinstance(found, type) and issubclass(found, (TypeError, ValueError)), (
            f,
            args,
            found,
        )
    else:
        assert found == expected, (f, [getattr(x, "dtype", x) for x in args], found, expected)


@pytest.mark.parametrize("ufunc", BINARY, ids=lambda f: f.__name__)
def test_result_dtypes_of_two_arrays_are_those_of_numpy(ufunc):
    for a in DTYPES:
        for b in DTYPES:
            same_type(ufunc, np.ones(2, a), np.ones(2, b))


@pytest.mark.parametrize("ufunc", BINARY, ids=lambda f: f.__name__)
def test_result_dtypes_with_numbers_are_those_of_numpy(ufunc):
    for a in DTYPES:
        for number in NUMBERS:
            same_type(ufunc, np.ones(2, a), number)
            same_type(ufunc, number, np.ones(2, a))


@pytest.mark.parametrize("f", UNARY, ids=lambda f: f.__name__)
def test_result_dtypes_of_one_array_are_those_of_numpy(f):
    for a in DTYPES:
        same_type(f, np.ones(2, a))


# --- axes ---

REDUCTIONS = """
    sum mean max min prod var std ptp argmax argmin any all cumsum cumprod sort argsort median
    flip diff count_nonzero nansum squeeze linalg.norm
""".split()


def outcome(f, *args, **kwargs):
    try:
        return f(*args, **kwargs)
    except (TypeError, ValueError, IndexError, NoRuleError) as error:
        return error


def traced_outcome(f, x, kwargs):
    found = []
    dr.grad(lambda _, x: found.append(outcome(lambda: dr.value(f(x, **kwargs)))) or _)(1.0, x)
    return found[0]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(
    "shape", [(), (0,), (1,), (3,), (0, 3), (3, 0), (1, 1), (2, 3), (2, 1, 3)], ids=str
)
@pytest.mark.parametrize("name", REDUCTIONS)
def test_axes_and_shapes_are_those_of_numpy(name, shape):
    f = np.linalg.norm if name == "linalg.norm" else getattr(np, name)
    rng = np.random.default_rng(7)
    x = rng.permutation(int(np.prod(shape))).reshape(shape) * 0.3 + 0.1
    for axis in ("none", None, 0, -1, 1, -3, (0,), (0, 1), (-1, 0), (0, 0)):
        for keepdims in ({}, {"keepdims": True}, {"keepdims": False}):
            kwargs = keepdims if axis == "none" else {"axis": axis, **keepdims}
            found = traced_outcome(f, x, kwargs)
            expected = outcome(f, x, **kwargs)
            if isinstance(found, NoRuleError):  # several axes at once, an unknown keyword
                assert isinstance(axis, tuple) or keepdims
            elif isinstance(expected, Exception):
                assert isinstance(found, (type(expected), TypeError, ValueError))
            elif x.size == 0 and isinstance(found, (TypeError, IndexError)):
                assert np.isnan(expected).all()  # of no elements: NumPy warns
            else:
                compare(found, expected)


# --- refused ---


@pytest.mark.parametrize(
    "expression",
    [
        "np.linalg.qr(T, mode='raw')",
        "np.nextafter(V, W)",
        "V.byteswap()",
        "np.sqrt(V, where=K)",
        "np.pad(V, 1, mode=max)",
        "np.sum(V, nothing=1)",
        "np.nanquantile(V, 0.3, method='lower')",
        "stats.vonmises_fisher.logpdf(V, W, 1.0)",
        "stats.gaussian_kde(V)(W)",
        "stats.multivariate_normal.logpdf(V, W, Q, allow_singular=True)",
        "signal.lfilter(V, W, B[0])",
        "integrate.quad(lambda t: t * S, 0, 1)[0]",
        "integrate.romb(np.stack([S, Z, S]))",
        "spatial.distance.cdist(A, D, 'hamming')",
        "spatial.cKDTree(A)",
        "np.exp(V, dtype=complex)",
        "np.fromiter(V, float)",
        "V.view(np.int64)",
        "special.ellipkinc(V, 0.5)",
        "special.jv(V, W)",
        "linalg.schur(Q)",
        "linalg.qr(T, pivoting=True)",
        "linalg.pinv(T, atol=0.1)",
    ],
)
def test_forms_without_a_rule_say_so(expression):
    f = function_of(expression)
    with pytest.raises((NoRuleError, TracedValueError, TypeError, GradientError)) as caught:
        dr.grad(lambda *xs: np.sum(f(*xs)), argnums=tuple(range(len(floats_of(expression)))))(
            *(ARRAYS[name] for name in floats_of(expression))
        )
    if isinstance(caught.value, NoRuleError):
        assert "<expression>:1" in str(caught.value) or "with" in str(caught.value)


def test_frames_of_exchanged_functions_can_be_looked_at():
    """Debuggers read the variables of every frame; those of decorated functions have free ones."""
    with pytest.raises(ValueError, match="side is") as caught:
        dr.grad(lambda x: linalg.polar(x, side="up")[0].sum())(np.eye(2))
    with pytest.raises(NoRuleError) as refused:
        dr.grad(lambda x: linalg.inv(x, assume_a="strange").sum())(np.eye(2))
    for entry in (*caught.traceback, *refused.traceback):
        assert isinstance(dict(entry.frame.raw.f_locals), dict)


def test_a_method_without_a_rule_is_not_there_for_hasattr():
    found = []
    dr.grad(
        lambda x: (
            found.append((hasattr(x, "byteswap"), hasattr(x, "todense"), hasattr(x, "sum")))
            or x.sum()
        )
    )(np.ones(2))
    assert found == [(False, False, True)]


def test_integers_without_a_gradient_take_any_function():
    def f(x, labels):
        counts = np.bincount(labels, minlength=3)
        kinds = np.unique(labels)
        names = {0: 1.0, 1: 2.0, 2: 3.0}
        return (x * counts[:2]).sum() * len(kinds) * names[labels[1]] * [1, 2, 3][labels[0]]

    labels = np.array([0, 2, 2])
    np.testing.assert_array_equal(dr.grad(f)(np.ones(2), labels), [6, 0])


@pytest.mark.filterwarnings("ignore:Arrays of 2-dimensional vectors:DeprecationWarning")
@pytest.mark.parametrize("expression", ["np.cross(V[:2], W[:2])", "np.cross(V[:2], A)"])
def test_the_cross_product_of_vectors_in_a_plane(expression):
    f = function_of(expression)
    given = [ARRAYS[name] for name in floats_of(expression)]
    compare(dr.vjp(f, *given)[0], f(*given))
    dr.check_grads(f, *given)
