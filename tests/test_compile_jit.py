"""`dr.compile`: kinds of arguments, nested trees, captured arrays, derivatives through it."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import pytest

from deltarule.compile.jit import compile
from deltarule.derive import grad, scan, value_and_grad, vmap
from deltarule.errors import BranchError, TypeRuleError


def test_arrays_and_floats_are_traced_other_values_are_part_of_the_program():
    seen = []

    @compile
    def f(x, scale, times, name, flag=True):
        seen.append((times, name, flag))
        y = x * scale
        for _ in range(times):
            y = y + x
        return {"y": -y if flag else y, "name": name}

    x = np.arange(3.0)
    out = f(x, 2.0, 2, "a")
    np.testing.assert_array_equal(out["y"], -4 * x)
    assert out["name"] == "a"
    np.testing.assert_array_equal(f(x, 3.0, 2, "a")["y"], -5 * x)
    assert len(seen) == 1
    np.testing.assert_array_equal(f(x, 3.0, 2, "a", flag=False)["y"], 5 * x)
    np.testing.assert_array_equal(f(x, 3.0, 1, "a")["y"], -4 * x)
    np.testing.assert_array_equal(f(x[:2], 3.0, 1, "b")["y"], -4 * x[:2])
    assert seen == [(2, "a", True), (2, "a", False), (1, "a", True), (1, "b", True)]


@dataclass
class Layer:
    weight: np.ndarray
    bias: np.ndarray


def test_nested_arguments_and_results():
    @compile
    def f(net, batch):
        x, y = batch
        h = np.tanh(x @ net["one"].weight + net["one"].bias)
        return {**net, "sum": np.sum(h), "error": [h - y, None]}

    net = {"one": Layer(np.ones((2, 3)), np.zeros(3))}
    out = f(net, (np.ones((4, 2)), np.zeros((4, 3))))
    assert isinstance(out["one"], Layer) and out["error"][1] is None
    np.testing.assert_allclose(out["error"][0], np.tanh(np.full((4, 3), 2.0)), rtol=1e-15)
    assert type(out["sum"]) is np.float64
    assert out["one"].weight is not net["one"].weight


def test_captured_arrays_are_read_at_each_call():
    table = np.arange(4.0)
    f = compile(lambda x: x + table)
    np.testing.assert_array_equal(f(np.ones(4)), np.arange(4.0) + 1)
    table[0] = 10
    assert f(np.ones(4))[0] == 11


def test_a_compiled_function_is_differentiated_batched_and_nested():
    f = compile(lambda x: np.sum(np.sin(x) ** 2))
    x = np.array([0.3, -1.2])
    np.testing.assert_allclose(grad(f)(x), np.sin(2 * x), rtol=1e-14)
    np.testing.assert_allclose(compile(grad(f))(x), np.sin(2 * x), rtol=1e-14)
    np.testing.assert_allclose(grad(lambda y: f(y) * f(y))(x), 2 * f(x) * np.sin(2 * x), rtol=1e-14)
    np.testing.assert_allclose(vmap(f)(np.stack([x, 2 * x])), [f(x), f(2 * x)], rtol=1e-14)
    outer = compile(lambda y: f(y) + 1)
    np.testing.assert_allclose(outer(x), f(x) + 1, rtol=1e-15)


def test_a_traced_value_captured_by_a_compiled_function_does_not_outlive_its_trace():
    def outer(y):
        return compile(lambda x: x * y)(3.0)

    assert grad(outer)(2.0) == 3.0
    assert grad(outer)(5.0) == 3.0
    inner = []

    def kept(y):
        f = compile(lambda x: x * y)
        inner.append(f)
        return f(2.0)

    grad(kept)(1.0)
    assert not inner[0].versions


def test_branching_on_a_traced_value_is_an_error():
    f = compile(lambda x: x if x > 0 else -x)
    with pytest.raises(BranchError, match=r"np\.where"):
        f(1.0)


def test_an_argument_of_no_known_kind_is_named():
    f = compile(lambda a, b: a)
    with pytest.raises(TypeRuleError, match=r"argument 1\['k'\]\[0\] is a object"):
        f(np.ones(2), {"k": [object()]})
    with pytest.raises(TypeRuleError, match=r"argument x is an array of <U1"):
        compile(lambda x: x)(x=np.array(["a"]))
    with pytest.raises(TypeRuleError, match=r"argument 0 is an array of >f8.* x\.astype"):
        compile(lambda x: x)(np.ones(2, ">f8"))


def test_many_compilations_are_told_with_the_reason():
    f = compile(lambda x, n: x + n)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for n in range(8):
            f(np.ones(2), n)
    with pytest.warns(
        RuntimeWarning, match=r"compiled 9 times, now because argument 1 was 7, is 8"
    ):
        f(np.ones(2), 8)
    g = compile(lambda x: x)
    for n in range(8):
        g(np.ones(n))
    with pytest.warns(RuntimeWarning, match=r"argument 0 was f64\[7\], is f64\[8\]"):
        g(np.ones(8))


def test_donated_arrays_are_written_over_where_that_is_safe():
    step = compile(lambda w, g: (w - 0.5 * g, np.sum(w)), donate=(0,))
    w, g = np.arange(4.0), np.ones(4)
    new, total = step(w, g)
    assert total == 6
    np.testing.assert_array_equal(new, np.arange(4.0) - 0.5)
    np.testing.assert_array_equal(g, np.ones(4))
    plain = compile(lambda w, g: (w - 0.5 * g, np.sum(w)))
    w = np.arange(4.0)
    assert not np.shares_memory(plain(w, g)[0], w)
    np.testing.assert_array_equal(w, np.arange(4.0))
    turn = compile(lambda w: w[::-1] + 1.0, donate=(0,))
    np.testing.assert_array_equal(turn(np.arange(4.0)), [4, 3, 2, 1])
    both = compile(lambda a, b: (a + 1.0, b[::-1] * 2.0), donate=(0,))
    w = np.arange(40.0)
    for found, wanted in zip(both(w, w), (w + 1, w[::-1] * 2), strict=True):
        np.testing.assert_array_equal(found, wanted)
    twice = compile(lambda a, b: (a + b, a - b), donate=(0, 1))
    w = np.arange(4.0)
    for found, wanted in zip(twice(w, w), (2 * np.arange(4.0), np.zeros(4)), strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_dtypes_follow_numpy():
    f = compile(lambda x, y: (x + y, x * 2, x / 3))
    for x, y in [
        (np.ones(2, "f4"), np.ones(2, "f4")),
        (np.ones(2, "i4"), np.ones(2)),
        (np.ones(2, "u1"), np.ones(2, "i8")),
    ]:
        for found, wanted in zip(f(x, y), (x + y, x * 2, x / 3), strict=True):
            assert found.dtype == wanted.dtype
            np.testing.assert_allclose(found, wanted)


def test_a_training_step_and_an_epoch_of_it():
    rng = np.random.default_rng(0)
    params = {"w": rng.normal(size=(3, 2)), "b": np.zeros(2)}
    xs, ys = rng.normal(size=(10, 8, 3)), rng.normal(size=(10, 8, 2))

    def loss(p, x, y):
        return np.mean((np.maximum(x @ p["w"] + p["b"], 0) - y) ** 2)

    def step(p, batch):
        value, g = value_and_grad(loss)(p, *batch)
        return {k: p[k] - 0.1 * g[k] for k in p}, value

    wanted, losses = params, []
    for batch in zip(xs, ys, strict=True):
        wanted, value = step(wanted, batch)
        losses.append(value)
    for one in (compile(step), step):
        now = params
        for batch in zip(xs, ys, strict=True):
            now, _ = one(now, batch)
        np.testing.assert_allclose(now["w"], wanted["w"], rtol=1e-13)
    epoch = compile(lambda p, xs, ys: scan(step, p, (xs, ys)))
    now, found = epoch(params, xs, ys)
    np.testing.assert_allclose(now["w"], wanted["w"], rtol=1e-13)
    np.testing.assert_allclose(found, losses, rtol=1e-13)


@pytest.mark.native
def test_plan_and_stages_of_the_last_call():
    f = compile(lambda x: np.exp(x))
    with pytest.raises(TypeRuleError, match="call the function first"):
        f.show("plan")
    f(np.ones(3))
    assert f.plan.native == 1.0
    assert "exp" in f.show("graph") and "test_compile_jit.py" in f.show("plan")
