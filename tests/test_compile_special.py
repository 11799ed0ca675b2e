"""Special functions in machine code: SciPy's numbers on all ranges, in loops, threads and from disk.

In: each primitive whose expression names a function of SciPy. Out: the same values, and what happens where
SciPy has no such function.
"""

from __future__ import annotations

import itertools

import mpmath
import numpy as np
import pytest
from scipy import special

import deltarule as dr
from compiling import apply, given, graph_of, native, reference, ulp_apart
from deltarule.compile import program
from deltarule.compile.llvm import addresses
from deltarule.compile.llvm.addresses import address, declaration, is_known
from deltarule.compile.llvm.scalar import Term
from deltarule.compile.llvm.special import from_scipy
from deltarule.compile.llvm.text import F64, Function, constant
from deltarule.compile.program import Executable
from deltarule.errors import CompileError, GradientError, TypeRuleError
from deltarule.program import Graph, lookup, primitives
from deltarule.program.lowering import Map
from deltarule.program.types import ArrayType

pytestmark = pytest.mark.native
SPECIAL = [
    p for p in primitives() if isinstance(p.lowering, Map) and "special." in p.lowering.expression
]
ULP = 4


def arity(primitive) -> int:
    return len(primitive.samples(np.random.default_rng(0))[0].args)


def wide(rng: np.random.Generator, dtype: str, count: int):
    """Numbers of every size and either sign, whole ones and poles among them."""
    info = np.finfo(dtype)
    sizes = np.exp(rng.uniform(np.log(info.tiny), np.log(info.max), count))
    near = rng.normal(0, 3, 3 * count)
    edges = [0.0, -0.0, 1, -1, 0.5, -2, -2.5, info.max, info.smallest_subnormal, np.inf, np.nan]
    found = np.concatenate([sizes, -sizes, near, np.rint(near), 30 * near, edges])
    return rng.permutation(found.astype(dtype))


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("primitive", SPECIAL, ids=str)
def test_the_numbers_are_scipys_wherever_the_argument_lies(primitive, dtype):
    rng = np.random.default_rng(1)
    last = wide(rng, dtype, 60)
    args = [*(parameters(rng, dtype, last.shape) for _ in range(arity(primitive) - 1)), last]
    if takes_an_integer(primitive):
        args[0] = rng.integers(-3, 30, last.shape)
    (found,) = native(graph_of(primitive, tuple(args), {}))(args, frozenset())
    (wanted,) = reference(graph_of(primitive, tuple(args), {}), args)
    assert found.dtype == wanted.dtype == dtype
    assert ulp_apart(found, wanted) <= ULP
    if primitive.name != "expn" and hasattr(special, primitive.name):
        exact = [x.astype("f8") if x.dtype.kind == "f" else x for x in args]
        with np.errstate(all="ignore"):
            own = getattr(special, primitive.name)(*exact).astype(dtype)
        assert ulp_apart(found, own) <= ULP


def parameters(rng: np.random.Generator, dtype: str, shape: tuple[int, ...]):
    """Few numbers, often met."""
    few = np.append(wide(rng, dtype, 12), [1, 2, 3, 0.5, 1.5, 7])
    return np.resize(rng.permutation(few), shape).astype(dtype)


def takes_an_integer(primitive) -> bool:
    try:
        primitive.type_rule(*[ArrayType((), F64)] * arity(primitive))
    except TypeRuleError:
        return True
    return False


def test_no_special_function_is_left_to_python():
    for primitive in SPECIAL:
        args = primitive.samples(np.random.default_rng(0))[-1].args
        assert Executable(graph_of(primitive, tuple(args), {})).plan.native == 1, primitive
    f = dr.compile(dr.grad(lambda x: np.sum(special.polygamma(2, x) * special.zeta(3.0, x))))
    f(np.ones(3))
    assert f.plan.native == 1


@pytest.mark.parametrize("order", [1.5, -1, np.nan, 3e9])
def test_an_order_that_is_no_whole_number_gives_none(order):
    x = np.array([0.5, 2.0])
    with np.errstate(all="raise"):
        found = dr.compile(lambda x: special.expn(order, x))(x)
    assert np.isnan(found).all()
    assert np.isnan(lookup("expn").evaluate(order, x)).all()


def model(x):
    """Special functions beside elementary ones, with a parameter of another dtype."""
    y = special.gammaln(1 + x * x) + special.jv(2, x) * np.tanh(x) - special.erfinv(x / 9)
    return np.sum(y * special.expit(x)) + special.polygamma(1, x[0] + 4)


def test_gradients_hessians_batches_and_loops_are_those_of_the_interpreter(monkeypatch):
    x = np.linspace(0.3, 3, 7)
    X = np.linspace(0.4, 2, 21).reshape(3, 7)

    def walk(x, xs):
        return dr.scan(lambda c, row: (special.i0e(c) + row, special.erfc(c)), x, xs)

    functions = [
        (dr.grad(model), (x,)),
        (dr.hessian(model), (x,)),
        (dr.vmap(dr.grad(model)), (X,)),
        (walk, (x, X)),
        (dr.grad(lambda x, xs: np.sum(walk(x, xs)[1])), (x, X)),
    ]
    compiled = [dr.compile(f)(*args) for f, args in functions]
    monkeypatch.setenv("DELTARULE_BACKEND", "numpy")
    for found, (f, args) in zip(compiled, functions, strict=True):
        for y, e in zip(leaves(found), leaves(f(*args)), strict=True):
            np.testing.assert_allclose(y, e, rtol=1e-12)


def leaves(found):
    return found if isinstance(found, tuple) else (found,)


def test_bools_and_integers_as_orders_are_cast_as_the_interpreter_casts_them():
    x = np.array([0.5, 1.5, 2.5])
    for order in (True, np.int8(-2), np.uint64(3), np.float32(0.1), np.array([0, 1, 2])):
        np.testing.assert_array_equal(
            dr.compile(lambda x, order=order: special.jv(order, x))(x), special.jv(order, x)
        )


def test_threads_give_the_same_bits(monkeypatch):
    x = np.random.default_rng(0).uniform(0.1, 30, 60_001)
    found = []
    for threads in ("1", "2", "3"):
        monkeypatch.setenv("DELTARULE_THREADS", threads)
        program.BUILT.clear()
        f = dr.compile(lambda x: special.gammaln(x) - special.polygamma(1, x))
        found.append(f(x))
        assert all(stage.shared for stage in f.plan.stages)
    assert found[0].tobytes() == found[1].tobytes() == found[2].tobytes()


def test_errors_that_scipy_would_raise_are_no_errors_of_compiled_code():
    f = dr.compile(lambda x: special.gammaln(x) + special.jv(0.5, x))
    with special.errstate(all="raise"):
        assert f(np.array([0.0, -1.0]))[0] == np.inf


# Zeta and polygamma, which are ours.

PLACES = [(1e-3, 0.5), (0.5, 15), (10, 1e4), (-6, 0), (1e7, 1e9)]


@pytest.mark.parametrize("s", [1.5, 2, 3, 4, 8.25, 12])
@pytest.mark.parametrize(("low", "high"), PLACES)
def test_zeta_is_exact_to_a_few_ulp(s, low, high):
    x = np.random.default_rng(2).uniform(low, high, 40)
    if low < 0:
        s, x = 2 * int(s / 2 + 1), x[np.abs(x - np.rint(x)) > 1e-3]
    found = dr.compile(lambda x: special.zeta(s, x))(x)
    with mpmath.workdps(150):
        wanted = [zeta(mpmath.mpf(s), mpmath.mpf(v)) for v in x]
    assert ulp_apart(found, np.array([float(y) for y in wanted])) <= 8


def zeta(s, q):
    below = [mpmath.power(q + k, -s) for k in range(max(0, int(mpmath.ceil(-q))))]
    return mpmath.fsum(below) + mpmath.zeta(s, q + len(below))


@pytest.mark.parametrize("n", [0, 1, 2, 3, 6])
@pytest.mark.parametrize(("low", "high"), PLACES[:3])
def test_polygamma_is_exact_to_a_few_ulp(n, low, high):
    x = np.random.default_rng(3).uniform(low, high, 40)
    x = x[np.abs(x - 1.4616) > 0.05]  # psi is 0 there
    found = dr.compile(lambda x: special.polygamma(n, x))(x)
    with mpmath.workdps(150):
        wanted = np.array([float(mpmath.polygamma(n, mpmath.mpf(v))) for v in x])
    assert ulp_apart(found, wanted) <= 8
    single = dr.compile(lambda x: special.polygamma(n, x))(x.astype("f4"))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, special.polygamma(n, x.astype("f4")), rtol=2e-7)


def test_zeta_and_polygamma_have_scipys_edges():
    values = [0.0, -0.0, 1, 2, 3, -1, -0.5, -2.5, 0.5, 1e-300, 1e10, 1e300, np.inf, -np.inf, np.nan]
    s, x = (np.array(v) for v in zip(*itertools.product(values, repeat=2), strict=True))
    found = dr.compile(lambda x: special.zeta(s, x))(x)
    np.testing.assert_allclose(found, special.zeta(s, x), rtol=1e-14)
    n = np.array([0, 1, 2, 3] * 15)
    x = np.repeat(np.array(values), 4)
    with np.errstate(all="ignore"):
        wanted = special.polygamma(n, x)
    found = dr.compile(lambda x: special.polygamma(n, x))(x)
    np.testing.assert_allclose(found, wanted, rtol=1e-14)


# Where functions are.


def test_declarations_choose_the_variant_of_doubles():
    assert declaration("special.gamma") == "double (double, int __pyx_skip_dispatch)"
    assert declaration("special.expn") == "double (double, double, int __pyx_skip_dispatch)"
    assert declaration("lapack.dpotrf").startswith("void (char *, int *, ")
    assert declaration("blas.dtrsm").startswith("void (char *, char *, char *, char *, int *")
    assert declaration("pow") == "" and address("pow") != address("fmod")


@pytest.mark.parametrize(
    ("name", "owner"),
    [
        ("special.nonesuch", "cython_special has no function nonesuch"),
        ("lapack.dnone", "cython_lapack has no function dnone"),
        ("special.wofz", "cython_special has no function wofz"),  # of complex numbers only
        ("nonesuch", "the C library of this system has no function nonesuch"),
    ],
)
def test_a_missing_function_is_named(name, owner):
    assert not is_known(name)
    with pytest.raises(CompileError, match=owner):
        address(name)


def test_another_number_of_arguments_is_an_error_while_compiling():
    x = Term(Function([]), constant(1.0, F64))
    with pytest.raises(CompileError, match="SciPy has no C function jv of 1 numbers"):
        from_scipy("jv", x)


@pytest.fixture
def without(monkeypatch):
    """A SciPy that has no C function of a name."""
    whole = addresses.of_scipy
    addresses._found.cache_clear()

    def hide(missing):
        monkeypatch.setattr(
            addresses, "of_scipy", lambda m, w: None if w == missing else whole(m, w)
        )
        addresses._found.cache_clear()

    yield hide
    addresses._found.cache_clear()


def bessel() -> Graph:
    x = given(ArrayType((3,), F64))
    return Graph((x,), (apply("exp", apply("j0", x)),))


def test_what_scipy_has_no_c_function_for_is_called_back(without):
    without("j0")
    x = np.array([0.5, 1.0, 2.0])
    run = Executable(bessel())
    assert 0 < run.plan.native < 1
    np.testing.assert_array_equal(run(x)[0], reference(bessel(), (x,))[0])


def test_code_on_disk_that_calls_a_missing_function_is_made_anew(without, tmp_path, monkeypatch):
    monkeypatch.setenv("DELTARULE_CACHE", str(tmp_path))
    x = np.array([0.5, 1.0, 2.0])
    (wanted,) = Executable(bessel())(x)
    warm = Executable(bessel())
    assert "planned" not in vars(warm) and "special.j0" in warm.run.binary.imports
    np.testing.assert_array_equal(warm(x)[0], wanted)
    without("j0")
    again = Executable(bessel())
    assert "planned" in vars(again) and again.run.binary.opaque
    np.testing.assert_array_equal(again(x)[0], wanted)


# Derivatives where a formula alone would lose its digits.


def slope_of_first(m):
    """(E / (1 - m) - K) / (2 m), pi / 8 at 0."""
    if m == 0:
        return mpmath.pi / 8
    return (mpmath.ellipe(m) / (1 - m) - mpmath.ellipk(m)) / (2 * m)


SLOPES = {
    "ellipk": ([-100.0, -1, -0.13, -0.12, -1e-9, 0, 1e-9, 0.5, 0.9999], slope_of_first),
    "ellipe": (
        [-100.0, -0.13, 1e-9, 0.12, 0.9999],
        lambda m: (mpmath.ellipe(m) - mpmath.ellipk(m)) / (2 * m),
    ),
    "ellipkm1": (
        [1e-30, 1e-8, 0.1, 0.87, 0.88, 1 - 1e-9, 1, 1.5],
        lambda p: -slope_of_first(1 - p),
    ),
    "spence": ([1e-3, 0.5, 1 - 1e-9, 1, 3], lambda x: mpmath.log(x) / (1 - x) if x != 1 else -1),
}


@pytest.mark.parametrize("name", SLOPES)
def test_slopes_keep_their_digits_next_to_removable_poles(name):
    places, slope = SLOPES[name]
    x = np.array(places)
    found = dr.compile(dr.grad(lambda x: np.sum(getattr(special, name)(x))))(x)
    with mpmath.workdps(60):
        wanted = np.array([float(slope(mpmath.mpf(v))) for v in x])
    np.testing.assert_allclose(found, wanted, rtol=2e-14)


def test_functions_with_several_results_give_each_in_its_place():
    x = np.linspace(-3, 3, 13)
    for function in (special.sici, special.fresnel, special.airy):
        for y, e in zip(dr.compile(lambda x, f=function: f(x))(x), function(x), strict=True):
            np.testing.assert_array_equal(y, e)


def test_counts_of_trials_have_scipys_edges():
    p = np.array([0.0, 0.3, 1.0])
    for k, n in [(1, 5), (0, 3), (5, 5), (6, 5), (-1, 5), (3.7, 5)]:
        for function in (special.bdtr, special.bdtrc, special.nbdtr, special.nbdtrc):
            found = dr.compile(lambda p, f=function, k=k, n=n: f(k, n, p))(p)
            wanted = function(
                int(np.floor(k)) if function in (special.nbdtr, special.nbdtrc) else k, n, p
            )
            np.testing.assert_allclose(found, wanted, rtol=1e-14, err_msg=f"{function} {k} {n}")


def test_an_order_must_be_a_whole_number_and_no_variable():
    with pytest.raises(TypeRuleError, match="orders are integers"):
        dr.grad(lambda x: special.eval_legendre(1.5, x))(0.5)
    with pytest.raises(TypeRuleError, match="eval_legendre has no order f64"):
        dr.grad(lambda n: special.eval_legendre(n, 0.5))(2.0)
    with pytest.raises(
        GradientError, match="stdtr has no derivative with respect to its argument 0"
    ):
        dr.grad(lambda n: special.stdtr(n, 0.5))(2.0)
