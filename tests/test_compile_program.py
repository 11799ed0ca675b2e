"""Executables: errors, loops, threads, memory, and both backends."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import weakref
from pathlib import Path

import numpy as np
import pytest

import deltarule.derive  # noqa: F401
from compiling import apply, assert_same, compiled, given, graph_of, number, reference, results
from deltarule.compile import compile as compiling
from deltarule.compile import program
from deltarule.compile.kernels import LoopKernel
from deltarule.compile.llvm import run as run_of_plans
from deltarule.compile.lower import schedule
from deltarule.compile.program import Executable, Native, build
from deltarule.compile.rewrite import PASSES, rewrite
from deltarule.errors import CompileError, TypeRuleError
from deltarule.program import Graph, Origin, lookup, type_of
from deltarule.program.types import ArrayType

F64, I64 = np.dtype("f8"), np.dtype("i8")


def of(shape, dtype=F64):
    return given(ArrayType(shape, np.dtype(dtype)))


def scan(body, *args, consts=0, carries=1, length=3, reverse=False):
    return results(
        apply(
            "scan", *args, body=body, consts=consts, carries=carries, length=length, reverse=reverse
        )
    )


# Indices.


@pytest.mark.native
@pytest.mark.parametrize("wrong", [5, -1, 2**40, -(2**62)])
@pytest.mark.parametrize("name", ["gather", "scatter", "scatter_add"])
def test_an_index_out_of_range_is_an_error_that_names_it(name, wrong):
    x, index, new = np.arange(10.0).reshape(5, 2), np.array([0, wrong, 1]), np.ones((3, 2))
    args = (x, index) if name == "gather" else (x, index, new)
    run = Executable(graph_of(lookup(name), args, {}))
    with pytest.raises(
        IndexError, match=f"index {wrong} is out of bounds for an axis of size 5, in {name}"
    ):
        run(*args)
    assert_same([x], [np.arange(10.0).reshape(5, 2)])
    right = (x, np.array([0, 4, 1]), new)[: len(args)]
    assert_same(run(*right), reference(run.graph, right))


@pytest.mark.native
@pytest.mark.parametrize("wrong", [0, 1])
def test_the_error_names_the_line_among_many_kernels_of_one_pattern(wrong):
    def many(a, x, i):
        for _ in range(70):
            x = a @ np.tanh(x)
        first = x[:, i[0]]
        return first.T @ x[:, i[1]]

    run = compiling(many)
    a, indices = np.eye(3), [np.array([0, 1]), np.array([1, 2])]
    np.testing.assert_allclose(run(a, a, indices), many(a, a, indices))
    assert len(run.plan.kernels) > run_of_plans.MANY
    indices[wrong] = np.array([7, 7])
    line = many.__code__.co_firstlineno + 3 + wrong
    with pytest.raises(
        IndexError, match=rf"index 7 is out of bounds .*test_compile_program.py:{line}$"
    ):
        run(a, a, indices)


@pytest.mark.native
def test_the_error_names_the_line_also_from_within_loops():
    def code():
        return None

    origin = Origin(code.__code__, 0, "net.embed")
    x, i = of((4,)), of((), I64)
    row = apply("gather", x, i)
    row = type(row)(row.primitive, row.args, row.attrs, row.type, origin)
    c = of(())
    body = Graph((x, c, i), (apply("add", c, row),))
    table, start, indices = of((4,)), of(()), of((3,), I64)
    graph = Graph((table, start, indices), scan(body, table, start, indices, consts=1))
    run = Executable(graph)
    args = np.arange(4.0), np.array(0.0), np.array([1, 2, 3])
    assert run(*args)[0] == 6
    with pytest.raises(
        IndexError,
        match=r"index 4 .* size 4, in gather at test_compile_program.py:\d+ in net.embed",
    ):
        run(args[0], args[1], np.array([1, 4, 3]))
    assert run(*args)[0] == 6


# Loops.


@pytest.mark.native
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("length", [0, 1, 2, 3, 4, 7])
def test_carries_that_change_places_stay_and_accumulate(length, reverse):
    a, b, kept, x = of((3,)), of((3,)), of((2,)), of((3,))
    body = Graph((a, b, kept, x), (b, apply("add", a, x), kept, apply("mul", a, b), x, a))
    xs = of((length, 3))
    start = of((3,)), of((3,)), of((2,))
    graph = Graph((*start, xs), scan(body, *start, xs, carries=3, length=length, reverse=reverse))
    rng = np.random.default_rng(0)
    args = [rng.integers(0, 9, n.type.shape).astype(F64) for n in graph.inputs]
    assert_same(compiled(graph, args), reference(graph, args), graph)


@pytest.mark.native
def test_loops_within_loops_share_a_body():
    c, x = of(()), of(())
    inner = Graph((c, x), (apply("add", apply("mul", c, number(0.5, F64)), x), c))
    c, row = of(()), of((4,))
    first = scan(inner, c, row, length=4)
    second = scan(inner, first[0], row, length=4, reverse=True)
    outer = Graph((c, row), (second[0], apply("add", first[1], second[1])))
    start, rows = of(()), of((5, 4))
    graph = Graph((start, rows), scan(outer, start, rows, length=5))
    args = np.array(1.0), np.arange(20.0).reshape(5, 4)
    assert_same(compiled(graph, args), reference(graph, args), graph)
    text = Executable(graph).show("llvm")
    assert text.count("define internal i32 @run") == 3


@pytest.mark.native
def test_a_carry_that_is_overwritten_point_by_point_has_no_copy():
    w, x = of((5, 5)), of((5,))
    body = Graph((w, x), (apply("sub", w, apply("mul", x, number(0.1, F64))),))
    start, xs = of((5, 5)), of((3, 5))
    graph = Graph((start, xs), scan(body, start, xs))
    (kernel,) = schedule(rewrite(graph))[0].kernels
    assert kernel.spare == (None,)
    rng = np.random.default_rng(0)
    args = rng.normal(size=(5, 5)), rng.normal(size=(3, 5))
    assert_same(compiled(graph, args), reference(graph, args))


@pytest.mark.native
def test_writing_one_element_of_a_carry_does_not_copy_it():
    table, i = of((500_000,)), of((1,), I64)
    new = apply("broadcast", number(1.0, F64), shape=(1,))
    body = Graph((table, i), (apply("scatter", table, i, new),))
    start, indices = of((500_000,)), of((2000, 1), I64)
    run = Executable(Graph((start, indices), scan(body, start, indices, length=2000)))
    args = np.zeros(500_000), np.arange(2000).reshape(2000, 1)
    assert run(*args)[0].sum() == 2000
    loop = next(k for k in run.plan.kernels if isinstance(k, LoopKernel))
    assert loop.spare == (None,) and loop.body.in_place == {(0, 0)}
    assert not loop.body.shared


@pytest.mark.native
def test_a_carry_read_after_it_is_written_goes_back_and_forth():
    w = of((4, 4))
    new = apply("add", w, number(1.0, F64))
    body = Graph((w,), (new, apply("matmul", w, new)))
    start = of((4, 4))
    graph = Graph((start,), scan(body, start, length=5))
    (kernel,) = (k for k in schedule(rewrite(graph))[0].kernels if hasattr(k, "spare"))
    assert kernel.spare != (None,)
    args = (np.arange(16.0).reshape(4, 4),)
    assert_same(compiled(graph, args), reference(graph, args))


def mlp_step(batch: int = 6, dtype: str = "f8") -> Graph:
    """A step of gradient descent on a tanh network, its backward pass written by hand."""
    w1, b1, w2, b2 = of((5, 7), dtype), of((7,), dtype), of((7, 2), dtype), of((2,), dtype)
    x, t = of((batch, 5), dtype), of((batch, 2), dtype)
    lr, one = number(0.1, dtype), number(1.0, dtype)
    h = apply("tanh", apply("add", apply("matmul", x, w1), b1))
    e = apply("sub", apply("add", apply("matmul", h, w2), b2), t)
    loss = apply("mean", apply("mul", e, e), axes=(0, 1))
    back = apply(
        "mul",
        apply("matmul", e, apply("transpose", w2, order=(1, 0))),
        apply("sub", one, apply("mul", h, h)),
    )
    grads = (
        apply("matmul", apply("transpose", x, order=(1, 0)), back),
        apply("sum", back, axes=(0,)),
        apply("matmul", apply("transpose", h, order=(1, 0)), e),
        apply("sum", e, axes=(0,)),
    )
    new = (
        apply("sub", p, apply("mul", lr, g)) for p, g in zip((w1, b1, w2, b2), grads, strict=True)
    )
    return Graph((w1, b1, w2, b2, x, t), (*new, loss))


def arrays(graph: Graph, seed: int = 0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=n.type.shape).astype(n.type.dtype) * 0.5 for n in graph.inputs]


@pytest.mark.parametrize("backend", ["llvm", "numpy"])
@pytest.mark.parametrize(("dtype", "rtol"), [("f8", 1e-13), ("f4", 2e-5)])
def test_a_step_and_a_scan_over_steps(dtype, rtol, backend, monkeypatch):
    if backend == "llvm":
        pytest.importorskip("llvmlite")
    monkeypatch.setenv("DELTARULE_BACKEND", backend)
    step = mlp_step(dtype=dtype)
    start = [of(n.type.shape, dtype) for n in step.inputs[:4]]
    xs, ts = of((20, 6, 5), dtype), of((20, 6, 2), dtype)
    epoch = Graph((*start, xs, ts), scan(step, *start, xs, ts, carries=4, length=20))
    for graph in (step, epoch):
        args = arrays(graph)
        for x, y in zip(Executable(graph)(*args), reference(graph, args), strict=True):
            np.testing.assert_allclose(x, y, rtol=rtol, atol=rtol)
            assert x.dtype == dtype


# Threads, memory, errors.


@pytest.mark.native
def test_two_threads_call_the_same_program_at_once():
    run = Executable(mlp_step(batch=20_000))
    jobs = [arrays(run.graph, seed) for seed in range(2)]
    wanted = [run(*job) for job in jobs]
    wrong = []

    def call(i: int) -> None:
        for _ in range(20):
            if any((x != y).any() for x, y in zip(run(*jobs[i]), wanted[i], strict=True)):
                wrong.append(i)

    threads = [threading.Thread(target=call, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.native
def test_two_threads_compile_at_once():
    found = []

    def work(n: int) -> None:
        x = of((n,))
        for k in range(5):
            graph = Graph((x,), (apply("mul", apply("exp", x), number(k + 1.0, F64)),))
            args = (np.zeros(n),)
            found.append(float(compiled(graph, args)[0].sum()) == n * (k + 1))

    threads = [threading.Thread(target=work, args=(n,)) for n in (3, 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 10


@pytest.mark.native
def test_machine_code_is_freed_with_the_program():
    x = of((3,))
    run = Executable(Graph((x,), (apply("exp", x),)))
    library = weakref.ref(run.run.code.library)
    assert library() is not None
    del run
    gc.collect()
    assert library() is None


@pytest.mark.native
@pytest.mark.parametrize(
    "make",
    [
        lambda x: x[:, ::2],
        lambda x: x.T.copy().T,
        lambda x: np.frombuffer(b"\0" + x.tobytes(), np.int8)[1:].view(x.dtype).reshape(x.shape),
    ],
)
def test_arguments_in_any_layout(make):
    x = make(np.arange(12.0).reshape(3, 4))
    x.flags.writeable = False
    source = given(type_of(x))
    graph = Graph((source,), (apply("add", source, source), source))
    assert_same(compiled(graph, (x,)), (x + x, x))


def test_wrong_arguments_are_refused():
    x = of((3,))
    run = Executable(Graph((x,), (apply("add", x, x),)))
    with pytest.raises(TypeRuleError, match="takes 1 arrays, 2 are given"):
        run(np.ones(3), np.ones(3))
    with pytest.raises(TypeRuleError, match=r"argument 0 should be f64\[3\], it is f64\[4\]"):
        run(np.ones(4))
    with pytest.raises(TypeRuleError, match=r"argument 0 should be f64\[3\], it is i64\[3\]"):
        run([1, 2, 3])


@pytest.mark.native
def test_what_numpy_computes_is_called_back_and_its_errors_come_through():
    n, m = of((3,), I64), of((3,), I64)
    power = apply("power", n, m)
    graph = Graph((n, m), (apply("add", power, n),))
    run = Executable(graph)
    args = np.array([2, 3, -4]), np.array([3, 0, 2])
    assert_same(run(*args), reference(graph, args))
    assert run.plan.native < 1 and "opaque" in run.show("plan")
    with pytest.raises(ValueError, match="negative integer powers"):
        run(np.array([2, 3, 4]), np.array([-1, 0, 0]))
    assert_same(run(*args), reference(graph, args))


@pytest.mark.native
def test_results_share_no_memory_with_arguments_or_each_other():
    x = of((4,))
    double = apply("add", x, x)
    graph = Graph((x,), (x, x, double, double, apply("reshape", double, shape=(2, 2))))
    arg = np.arange(4.0)
    found = compiled(graph, (arg,))
    assert_same(found, reference(graph, (arg,)))
    every = [arg, *found]
    assert not any(np.shares_memory(a, b) for i, a in enumerate(every) for b in every[:i])


@pytest.mark.native
def test_stages_are_shown():
    run = Executable(mlp_step())
    assert "matmul" in run.show("graph") and "matmul" in run.show("rewrite")
    assert (
        "contract" in run.show("plan")
        and "fmuladd" in run.show("llvm")
        and "ret" in run.show("asm")
    )
    with pytest.raises(ValueError, match="no stage 'wasm'"):
        run.show("wasm")


def test_the_numpy_backend_needs_no_machine_code(monkeypatch):
    monkeypatch.setenv("DELTARULE_BACKEND", "numpy")
    x = of((3,))
    run = build(Graph((x,), (apply("exp", x),)))
    assert_same(run(np.zeros(3)), (np.ones(3),))
    assert run.plan.native == 0 and "interpreted: DELTARULE_BACKEND is numpy" in str(run.plan)
    with pytest.raises(CompileError, match="no stage 'asm'"):
        run.show("asm")
    monkeypatch.setenv("DELTARULE_BACKEND", "cuda")
    with pytest.raises(CompileError, match="it can be llvm or numpy"):
        build(Graph((x,), (x,)))


def test_equal_graphs_are_built_once():
    def make(value):
        x = of((3,))
        return Graph((x,), (apply("mul", x, number(value, F64)),))

    assert build(make(2.0)) is build(make(2.0))
    assert build(make(2.0)) is not build(make(3.0))


@pytest.mark.native
def test_constant_arrays_are_part_of_the_program():
    c = apply("literal", value=(1, 2, 3, 4), dtype=I64, shape=(2, 2))
    x = of((2, 2), I64)
    graph = Graph(
        (x,), (apply("matmul", x, c), c, apply("gather", apply("reshape", c, shape=(4,)), x))
    )
    args = (np.array([[3, 1], [0, 2]]),)
    assert_same(compiled(graph, args), reference(graph, args))
    assert_same(compiled(graph, args), reference(graph, args))


# Size.


def chain(length: int) -> Graph:
    x = of((2,))
    y, factor = x, number(1.0001, F64)
    for _ in range(length // 2):
        y = apply("add", apply("mul", y, factor), x)
    return Graph((x,), (y,))


def test_a_hundred_thousand_nodes_in_a_chain():
    graph = chain(100_000)
    plan, _ = schedule(rewrite(graph))
    assert plan.flops == 200_000
    assert len(plan.kernels) < 2000


@pytest.mark.native
def test_a_long_chain_runs_and_a_longer_one_is_interpreted(monkeypatch):
    graph = chain(3000)
    args = (np.array([1.0, 2.0]),)
    wanted = reference(graph, args)
    assert_same(compiled(graph, args), wanted)
    monkeypatch.setattr(program, "LONGEST", 1000)
    run = Executable(graph)
    assert "interpreted" in str(run.plan) and run.plan.native == 0
    assert_same(run(*args), wanted)


@pytest.mark.native
def test_every_pass_has_a_name_and_a_sentence():
    assert len({step.name for step in PASSES}) == len(PASSES)
    assert all(step.doc.endswith(".") for step in PASSES)
    assert Native is not None


@pytest.mark.native
@pytest.mark.skipif(sys.platform != "linux", reason="pages are protected as on Linux")
def test_no_program_touches_memory_outside_its_arrays():
    script = Path(__file__).parent / "memory_guard.py"
    done = subprocess.run(
        [sys.executable, str(script), "80", "40"],
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, f"exit status {done.returncode}: {done.stderr[-2000:]}"
