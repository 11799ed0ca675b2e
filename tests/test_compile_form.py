"""Programs that run once for each row, and programs without subnormal numbers."""

from __future__ import annotations

import platform
from dataclasses import replace

import numpy as np
import pytest

from compiling import apply, given, reference
from deltarule import compile as compiled
from deltarule.compile import Form, build
from deltarule.compile.form import ONCE
from deltarule.compile.lower import schedule
from deltarule.compile.program import Executable, name_of
from deltarule.derive import stage
from deltarule.errors import TypeRuleError
from deltarule.program import Graph, type_of
from deltarule.program.types import ArrayType

F32, F64, I64 = np.dtype("f4"), np.dtype("f8"), np.dtype("i8")
rng = np.random.default_rng(0)
x86 = pytest.mark.skipif(platform.machine().lower() not in ("x86_64", "amd64"), reason="x86-64")


# Once for each row.


def recurrence(n: int = 4):
    """A step with a carry in place, one that is not, a counter, and one that leaves as it came."""

    def step(A, moved, mixed, count, kept, row, scale):
        found = np.tanh(mixed @ A + row)
        return [
            moved * scale + found.sum(0),
            found,
            count + np.int64(1),
            kept,
            found.max(),
            row * 2,
        ]

    consts = (rng.normal(size=(n, n)),)
    carry = (np.ones(n), rng.normal(size=(3, n)), np.asarray(np.int64(5)), np.arange(2.0))
    rows = rng.normal(size=(9, n)), rng.normal(size=9)
    one = [type_of(x) for x in (*consts, *carry)] + [type_of(x[0]) for x in rows]
    return stage(step, one).graph, consts, carry, rows


@pytest.mark.parametrize("n", [4, 150])
def test_steps_in_any_cuts_have_the_same_bits(n):
    graph, consts, carry, rows = recurrence(n)
    run, once = build(graph, Form(4, 2)), build(graph)
    now, ys = carry, []
    for i in range(9):
        *found, a, b = once(*consts, *now, *(x[i] for x in rows))
        now = found
        ys.append((a, b))
    for cuts in ((9,), (1,) * 9, (2, 3, 4), (4, 5)):
        here, at, stacked = carry, 0, []
        for steps in cuts:
            *here, a, b = run(*consts, *here, *(x[at : at + steps] for x in rows))
            at += steps
            stacked.append((a, b))
        for x, y in zip(here, now, strict=True):
            np.testing.assert_array_equal(x, y, strict=True)
        for i in range(2):
            found = np.concatenate([y[i] for y in stacked])
            np.testing.assert_array_equal(found, np.stack([y[i] for y in ys]), strict=True)


def test_no_argument_is_written_to():
    graph, consts, carry, rows = recurrence()
    args = (*consts, *carry, *rows)
    before = [x.copy() for x in args]
    for x in args:
        x.flags.writeable = False
    build(graph, Form(4, 2))(*args)
    for x, y in zip(args, before, strict=True):
        np.testing.assert_array_equal(x, y)


def test_what_does_not_fit_is_refused():
    graph, consts, carry, (row, scale) = recurrence()
    run = build(graph, Form(4, 2))
    with pytest.raises(TypeRuleError, match="there is none"):
        run(*consts, *carry, row[:0], scale[:0])
    with pytest.raises(TypeRuleError, match=r"argument 5 should be f64\[8,4\], it is f64\[9,4\]"):
        run(*consts, *carry, row, scale[:8])
    x, y = given(ArrayType((3,), F64)), given(ArrayType((2,), F64))
    changing = Graph((x, y), (apply("sum", x, axes=(0,)),))
    with pytest.raises(TypeRuleError, match=r"carry 0 enters a step as f64\[3\] and leaves it as"):
        Executable(changing, form=Form(1, 1))


def test_an_index_out_of_range_is_an_error_of_its_step():
    x, i = given(ArrayType((3,), F64)), given(ArrayType((1,), I64))
    run = build(Graph((x, i), (apply("gather", x, i),)), Form(0, 1))
    found = run(np.arange(3.0), np.array([[2], [0], [1]]))
    np.testing.assert_array_equal(found, [[[2.0], [0.0], [1.0]]])
    for _ in range(2):
        with pytest.raises(IndexError, match="3 is out of bounds"):
            run(np.arange(3.0), np.array([[2], [3], [0]]))


@pytest.mark.native
def test_forms_are_different_programs():
    graph = recurrence()[0]
    forms = ONCE, Form(4, 2), Form(4, 2, flush=True), Form(flush=True)
    assert len({name_of(graph, form) for form in forms}) == 4
    assert len({id(build(graph, form)) for form in forms}) == 4
    assert build(graph, forms[1]) is build(graph, forms[1])
    assert "loop" in build(graph, forms[1]).show("plan")


# Without subnormal numbers.

SMALL, TINY = np.float32(1e-30), np.float32(1e-40)  # the second is subnormal


def product(n: int) -> Graph:
    x, y = given(ArrayType((n,), F32)), given(ArrayType((n,), F32))
    return Graph((x, y), (apply("mul", x, y),))


def flushes() -> bool:
    """Whether this thread's own arithmetic flushes."""
    return bool((np.full(40, SMALL) * np.full(40, SMALL * np.float32(1e20)) == 0).any()) or bool(
        (np.full(40, TINY) * np.float32(2) == 0).any()
    )


@x86
@pytest.mark.native
@pytest.mark.parametrize("n", [5, 2_000_000])
def test_subnormal_numbers_flush_in_a_program_that_says_so_and_nowhere_else(n):
    pairs = [
        (np.full(n, SMALL), np.full(n, np.float32(1e-10))),
        (np.full(n, TINY), np.ones(n, F32)),
    ]
    plain, flushed = build(product(n)), build(product(n), Form(flush=True))
    for x, y in pairs:
        (kept,), (gone,), (again,) = plain(x, y), flushed(x, y), plain(x, y)
        assert (kept > 0).all() and (gone == 0).all() and (again > 0).all()
        assert not flushes()


@x86
@pytest.mark.native
def test_the_mode_is_restored_after_an_error():
    x, i = given(ArrayType((3,), F32)), given(ArrayType((1,), I64))
    run = build(Graph((x, i), (apply("gather", x, i),)), Form(flush=True))
    with pytest.raises(IndexError):
        run(np.zeros(3, F32), np.array([7]))
    assert not flushes()


@x86
@pytest.mark.native
def test_numpy_called_back_keeps_subnormal_numbers():
    x, y = given(ArrayType((2,), F32)), given(ArrayType((2,), F32))
    graph = Graph((x, y), (apply("argsort", x, axis=0, stable=True), apply("mul", y, y)))
    args = np.array([2e-40, 1e-40], "f4"), np.full(2, 1e-20, "f4")
    program = build(graph, Form(flush=True))
    assert len(program.plan.opaque) == 1
    called, ours = program(*args)
    assert called.tolist() == [1, 0] and (ours == 0).all()


@pytest.mark.native
def test_the_mode_of_arm_is_written_in_words_that_llvm_knows():
    from deltarule.compile.llvm.load import llvm, this_processor
    from deltarule.compile.llvm.module import write

    plan = schedule(product(5), Form(flush=True))[0]
    arm = replace(this_processor(), triple="aarch64-unknown-linux-gnu", vector_bytes=16)
    text = write(plan, arm).text
    llvm().parse_assembly(text).verify()
    assert text.count("set.fpcr(i64 %") == 2
    assert "fpcr" not in write(replace(plan, flush=False), arm).text
    other = write(plan, replace(arm, triple="riscv64-unknown-linux-gnu")).text
    assert "fpcr" not in other and "mxcsr" not in other


@x86
@pytest.mark.native
def test_a_compiled_function_keeps_subnormal_numbers():
    assert compiled(lambda x: x * np.float32(1e-10))(np.full(3, SMALL)).all()


def test_the_form_of_once_is_the_plain_program():
    graph = product(3)
    args = np.ones(3, F32), np.full(3, np.float32(2))
    np.testing.assert_array_equal(build(graph, ONCE)(*args)[0], reference(graph, args)[0])
