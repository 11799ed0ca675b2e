"""Loops that Python unrolled: what is compiled does not grow with their steps, and a table calls the same."""

from __future__ import annotations

import gc
import re

import numpy as np
import pytest

import deltarule as dr
from compiling import apply, given, native, number
from deltarule.compile import binary, lift, program, share
from deltarule.compile import native as machine
from deltarule.compile.kernels import Number
from deltarule.compile.llvm import run
from deltarule.compile.lower import schedule
from deltarule.compile.plan import Plan
from deltarule.compile.profile import Clocked
from deltarule.compile.rewrite import PASSES, rewrite
from deltarule.program import Graph
from deltarule.program.types import ArrayType
from sharing import all_split

F64 = np.dtype("f8")
LINE = 120  # bytes of text for each kernel: numbers of a table


def recurrent(x, w, steps):
    """A loop with a step number in its arithmetic, in the place it writes, and in the row it reads."""
    seen = np.zeros((steps, 3))
    for i in range(steps):
        x = np.tanh(w @ x) + np.sin(x * i) / (1 + i)
        seen[i] = x
    return np.sum(seen * seen)


def gradient(steps):
    return dr.compile(dr.value_and_grad(lambda x, w: recurrent(x, w, steps), argnums=(0, 1)))


def arguments():
    rng = np.random.default_rng(0)
    return rng.normal(size=3), rng.normal(size=(3, 3))


def flat(results):
    value, (dx, dw) = results
    return np.concatenate([np.ravel(y) for y in (value, dx, dw)])


def text_of(steps):
    f = gradient(steps)
    f(*arguments())
    return f.show("llvm"), f.plan


# What is compiled.


@pytest.mark.native
def test_more_steps_are_no_more_functions_and_few_bytes_a_kernel():
    (short, few), (long, many) = text_of(50), text_of(100)
    functions = [len(re.findall("^define", text, re.MULTILINE)) for text in (short, long)]
    assert functions[1] <= functions[0] + 2 < 60  # a long loop is cut, and the rest is another one
    assert len(many.kernels) > 1.8 * len(few.kernels) > 250
    assert len(long) - len(short) < LINE * (len(many.kernels) - len(few.kernels))


@pytest.mark.native
def test_no_function_holds_the_calls_of_all_steps():
    text, plan = text_of(40)
    (walk,) = [body for body in text.split("\ndefine ") if body.startswith("internal i32 @run")]
    assert walk.count(" call ") < 60 < 2 * 60 < len(plan.kernels)


@pytest.mark.native
def test_nodes_that_may_fail_share_a_function_and_tell_which_of_them_it_was():
    def picked(x, where):
        for i in range(100):
            x = x + x[where[i]]
        return x

    x, where = np.ones(5), np.zeros((100, 5), int)
    f = dr.compile(picked)
    np.testing.assert_array_equal(f(x, where), picked(x, where))
    assert f.show("llvm").count("define internal i32 @gather") == 1
    for step in (3, 97):
        where[step] = 5 + step
        with pytest.raises(IndexError, match=f"{5 + step}"):
            f(x, where)
        where[step] = 0


# The same numbers.


@pytest.mark.native
@pytest.mark.parametrize("steps", [1, 40])
def test_a_table_calls_what_single_calls_do(monkeypatch, steps):
    f, args = gradient(steps), arguments()
    wanted = flat(f(*args))
    for many in (1, 10**9):
        program.BUILT.clear()
        monkeypatch.setattr(run, "MANY", many)
        monkeypatch.setenv("DELTARULE_CACHE", "off")
        again = gradient(steps)
        assert flat(again(*args)).tobytes() == wanted.tobytes()
        assert ("switch" in again.show("llvm")) == (many == 1)
    np.testing.assert_allclose(wanted[0], recurrent(*args, steps), rtol=1e-12)


@pytest.mark.native
@pytest.mark.parametrize("threads", [1, 2, 4])
def test_threads_walk_along_one_table(monkeypatch, threads):
    args, steps = arguments(), 12
    wanted = flat(gradient(steps)(*args))
    monkeypatch.setattr(run, "MANY", 1)
    program.BUILT.clear()
    with all_split(threads):
        f = gradient(steps)
        assert flat(f(*args)).tobytes() == wanted.tobytes()
        assert f.plan.shared and "switch" in f.show("llvm")


@pytest.mark.native
def test_what_is_not_split_is_the_first_threads():
    """Steps that write over what they read, before a loop that is split and after it."""

    def program_of(x, wide):
        for _ in range(100):
            x = 0.5 * np.cos(x) + 0.3 * np.flip(x)
        y = np.sum(np.exp(wide * np.sum(x)), axis=1)
        for i in range(100):
            x = 0.5 * np.sin(x + y[i]) + 0.3 * np.flip(x)
        return x

    rng = np.random.default_rng(0)
    x, wide = rng.normal(size=8), rng.normal(size=(100, 5000)) / 100
    wanted = np.asarray(program_of(x, wide))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(machine, "thread_count", lambda: 4)
        patch.setattr(binary, "seconds", lambda kernel: 1.0)
        f = dr.compile(program_of)
        found = {f(x, wide).tobytes() for _ in range(20)}
        assert any(stage.shared for stage in f.plan.stages)
        assert not all(stage.shared for stage in f.plan.stages)
        (walk,) = re.findall("define internal i32 @run.*?\n}", f.show("llvm"), re.DOTALL)
        calls = re.findall(r"(?:icmp eq i64 %v\d+, 0\n.*\nb\d+:\n)?  call void @\w+\(.*", walk)
        assert len(calls) > 2
        assert all(("icmp" in call) == (", i64 %" not in call) for call in calls)  # i64: its part
    assert len(found) == 1
    np.testing.assert_allclose(np.frombuffer(found.pop()), wanted, rtol=1e-9)


@pytest.mark.native
def test_each_line_has_its_row_of_the_clock():
    f, args = gradient(20), arguments()
    wanted = flat(f(*args))
    clocked = Clocked(f.executable)
    leaves = clocked(*args)
    np.testing.assert_array_equal(np.concatenate([np.ravel(y) for y in leaves]), wanted)
    times = clocked.native.free[0].times
    assert times.shape[-2] == len(f.plan.kernels)
    assert (times[..., 1] == 1).all()


# Numbers.


def steps_of(values):
    """Each output is sin(x) * value."""
    x = given(ArrayType((2,), F64))
    made = [apply("sin", apply("mul", x, number(v, F64))) for v in values]
    outputs = [apply("exp", apply("reshape", y, shape=(2, 1))) for y in made]
    return Graph((x,), tuple(outputs))


def kernels_of(values) -> Plan:
    return schedule(rewrite(steps_of(values)))[0]


def kept_numbers(plan: Plan):
    return [s.value for k in plan.kernels for s in k.scalars if isinstance(s, Number)]


def test_numbers_that_differ_move_to_memory():
    values = np.random.default_rng(0).normal(size=400)
    plan = kernels_of(values)
    assert len({lift.form_of(kernel) for kernel in plan.kernels}) < len(plan.kernels) / 2
    stored = np.concatenate([np.ravel(x) for x in plan.constants])
    assert set(stored) | set(kept_numbers(plan)) == set(values)
    assert len(kept_numbers(plan)) < len(values) / 2


@pytest.mark.native
def test_signed_zeros_nan_and_infinities_stay_what_they_are():
    values = [0.0, -0.0, np.nan, np.inf, -np.inf, 1.5, -1.5, 5e-324] * 40
    graph, x = steps_of(values), np.array([0.5, -2.0])
    with np.errstate(all="ignore"):
        wanted = [np.exp(np.sin(x * v)).reshape(2, 1) for v in values]
    for found, want in zip(native(graph)([x], frozenset()), wanted, strict=True):
        np.testing.assert_allclose(found, want, rtol=1e-14)


def test_few_numbers_stay_in_the_code():
    assert not kernels_of([1.5, 2.5, 3.5]).constants


# Work that grows with the graph, and no faster.


def test_who_waits_for_whom_is_asked_of_what_is_split_only(monkeypatch):
    asked = []
    ask = share.Touched.waits_for
    monkeypatch.setattr(
        share.Touched, "waits_for", lambda self, other: asked.append(1) or ask(self, other)
    )
    wide, square = given(ArrayType((1000, 1000), F64)), given(ArrayType((2, 2), F64))
    counts = []
    for steps in (100, 200):
        asked.clear()
        y = x = given(ArrayType((2, 2), F64))
        for _ in range(steps):
            y = apply("matmul", apply("sin", y), square)
        plan, _ = schedule(Graph((wide, x, square), (apply("exp", wide), y)))
        assert plan.shared and len(plan.kernels) >= steps
        counts.append(len(asked))
    assert 0 < counts[1] <= 2.1 * counts[0]


def test_passes_that_find_nothing_return_the_graph_itself():
    graph = steps_of([1.5])
    names = ("inline", "expand", "branches", "pairwise")
    assert all(step(graph) is graph for step in PASSES if step.name in names)


def test_the_search_for_cycles_goes_on_afterwards():
    assert gc.isenabled()
    with pytest.raises(ValueError, match="here"), program.uncollected():
        assert not gc.isenabled()
        raise ValueError("here")
    assert gc.isenabled()
    gc.disable()
    try:
        with program.uncollected():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
