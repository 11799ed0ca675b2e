"""Products and what is done with their sums: compiled, joined or not, they are what the interpreter gives."""

from __future__ import annotations

import itertools
from random import Random

import numpy as np
import pytest
from hypothesis import given as generated
from hypothesis import settings
from hypothesis import strategies as st

import deltarule.derive  # noqa: F401
from compiling import apply, assert_close, given, native, reference
from deltarule.compile import fuse
from deltarule.compile.kernels import Apply, ContractKernel, Load, MapKernel, Sum
from deltarule.compile.lower import schedule
from deltarule.compile.program import Executable
from deltarule.compile.rewrite import rewrite
from deltarule.compile.views import View
from deltarule.program import Graph
from deltarule.program.types import ArrayType
from products import (
    PANELS,
    Program,
    ahead_program_of,
    panel_program_of,
    product_program_of,
    seeds,
)
from sharing import THREADS, run_by, split_code
from test_compile_graphs import CALM, check_memory, program_of

pytestmark = pytest.mark.native
F32, F64 = np.dtype("f4"), np.dtype("f8")


def of(*shape, dtype=F32):
    return given(ArrayType(shape, np.dtype(dtype)))


def assert_right(program: Program, found, what) -> None:
    """Exactly what the interpreter gives; within 4 ulp where a function is rounded."""
    wanted = reference(program.graph, program.args)
    for i, (x, y) in enumerate(zip(found, wanted, strict=True)):
        if i in program.rounded:
            assert_close(x, y, 1.0, 1, f"result {i} of {what}")
        else:
            assert (x.shape, x.dtype) == (y.shape, y.dtype)
            np.testing.assert_array_equal(x, y, err_msg=f"result {i} of {what}\n{program.graph}")


@settings(CALM, max_examples=120)
@generated(seeds)
def test_products_and_what_stands_around_them(seed):
    program = product_program_of(seed)
    program.graph.check()
    check_memory(schedule(rewrite(program.graph))[0])
    before = [x.copy() for x in program.args]
    assert_right(program, native(program.graph)(program.args, frozenset()), f"seed {seed}")
    for x, y in zip(program.args, before, strict=True):
        np.testing.assert_array_equal(x, y)


# Tiles.


EDGES = [1, 2, 3, 4, 5, 7, 8, 9, 12, 13, 15, 16, 17, 24, 31, 32, 33, 48, 49, 63, 64, 65, 96, 130]
LAYOUTS = ["plain", "turned", "strided", "blocks"]


def laid_out(shape, layout: str, dtype) -> tuple:
    """An input, and the array of a shape that is read from it."""
    m, n = shape
    if layout == "turned":
        x = of(n, m, dtype=dtype)
        return x, apply("transpose", x, order=(1, 0))
    if layout == "strided":
        x = of(m, 2 * n, dtype=dtype)
        return x, apply("slice", x, start=(0, 1), size=shape, step=(1, 2))
    if layout == "blocks":
        x = of(m + 2, n + 3, dtype=dtype)
        return x, apply("slice", x, start=(1, 2), size=shape, step=(1, 1))
    x = of(m, n, dtype=dtype)
    return x, x


@pytest.mark.parametrize("part", range(6))
def test_tiles_of_every_size_and_layout(part):
    """Real numbers, within 4 n eps of the sum of the terms' sizes; same bits when it is split."""
    random = Random(part)
    for _ in range(10):
        m, n, k = (random.choice(EDGES) for _ in range(3))
        dtype = random.choice([F32, F32, F64])
        a, one = laid_out((m, k), random.choice(LAYOUTS), dtype)
        b, other = laid_out((k, n), random.choice(LAYOUTS), dtype)
        row = of(n, dtype=dtype)
        sums = apply("matmul", one, other)
        graph = Graph((a, b, row), (apply("add", sums, row), sums))
        rng = np.random.default_rng(part)
        args = [rng.normal(size=x.type.shape).astype(dtype) for x in graph.inputs]
        found = native(graph)(args, frozenset())
        sizes = reference(graph, [np.abs(x).astype(F64) for x in args])
        for x, y, size in zip(found, reference(graph, args), sizes, strict=True):
            assert_close(x, y, size, max(k, 2), f"{(m, n, k)} in {dtype}")
        split = run_by(split_code(graph, late=False), 2, args)
        for x, y in zip(split, found, strict=True):
            np.testing.assert_array_equal(x, y, err_msg=f"{(m, n, k)} in {dtype}, split")


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("panels", PANELS, ids=str)
def test_panels_and_their_groups(panels, dtype):
    program = panel_program_of(*panels, dtype)
    code = split_code(program.graph, late=False)
    for threads in THREADS:
        assert_right(program, run_by(code, threads, program.args), f"{panels} by {threads}")


@pytest.mark.parametrize("rows", [16, 700])
def test_a_large_operand_is_asked_for_ahead(rows):
    program = ahead_program_of(rows)
    (kernel,) = schedule(rewrite(program.graph))[0].kernels
    assert isinstance(kernel, ContractKernel) and len(kernel.scalars) > 1
    assert "prefetch" in Executable(program.graph).show("llvm")
    assert_right(program, native(program.graph)(program.args, frozenset()), f"{rows} rows")


# Joins.


@settings(CALM, max_examples=60)
@generated(seeds, st.sets(st.sampled_from(["join_loops", "join_products", "gather_loops"])))
def test_any_kind_of_join_may_be_left_out(seed, left_out):
    program = product_program_of(seed)
    with pytest.MonkeyPatch.context() as patch:
        for name in left_out:
            patch.setattr(fuse.Fusion, name, lambda self: None)
        found = native(program.graph)(program.args, frozenset())
    assert_right(program, found, f"seed {seed} without {left_out}")


@settings(CALM, max_examples=80)
@generated(seeds, st.booleans())
def test_any_single_join_may_be_left_out(seed, of_products):
    """Each join is made or not, by chance."""
    if of_products:
        program = product_program_of(seed)
    else:
        program = Program(*program_of(seed), frozenset())
    chance = Random(seed)
    with pytest.MonkeyPatch.context() as patch:
        for owner, name in ((fuse, "into"), (fuse, "side_by_side"), (fuse, "reads_sums")):
            patch.setattr(owner, name, sometimes(getattr(owner, name), chance))
        found = native(program.graph)(program.args, frozenset())
    assert_right(program, found, f"seed {seed}")


def sometimes(join, chance: Random):
    """A step of the joins that says no by chance."""
    return lambda *args: join(*args) if chance.random() < 0.5 else None


def kinds_of(graph: Graph) -> list[str]:
    plan = schedule(rewrite(graph))[0]
    return [type(kernel).__name__.removesuffix("Kernel") for kernel in plan.kernels]


def test_joins_are_made():
    """The tests above would pass without any; these make sure that there are some."""
    counts = {"into": 0, "side_by_side": 0, "finished": 0}
    with pytest.MonkeyPatch.context() as patch:
        for name in counts:
            made = getattr(fuse, name)

            def counting(*args, made=made, name=name):
                joined = made(*args)
                counts[name] += joined is not None
                return joined

            patch.setattr(fuse, name, counting)
        for seed in range(100):
            schedule(rewrite(product_program_of(seed).graph))
            schedule(rewrite(program_of(seed)[0]))
    assert all(count >= 5 for count in counts.values()), counts


def view(buffer: int) -> View:
    return View.whole(buffer, ArrayType((4, 4), F32))


def loop(result: int, *reads: View) -> MapKernel:
    """A sum of arrays."""
    loads = tuple(Load(x) for x in reads)
    total = Apply(" + ".join(f"x{i}" for i in range(len(reads))), tuple(range(len(reads))), F32)
    return MapKernel((), (4, 4), (*loads, total), ((len(reads), view(result)),))


def product(result: int, a: int, b: int) -> ContractKernel:
    one, other = (View(i, F32, (4, 4, 4), s) for i, s in ((a, (4, 0, 1)), (b, (0, 1, 4))))
    return ContractKernel((), (4, 4, 4), (2,), one, other, 1, (Sum(F32),), ((0, view(result)),))


@pytest.mark.parametrize(
    "kernels",
    [
        [loop(2, view(0)), loop(0, view(1)), loop(3, view(2))],  # 0 is written in between
        [product(2, 0, 1), loop(0, view(1)), loop(3, view(2))],
        [product(2, 0, 1), loop(2, view(1)), loop(3, view(2))],  # 2 is written again
        [loop(2, view(0)), loop(2, view(1)), loop(3, view(2))],
        [product(2, 0, 1), loop(3, view(2), view(2).transpose((1, 0)))],
        [loop(2, view(0)), loop(3, view(2), view(2).transpose((1, 0)))],
    ],
)
def test_kernels_that_must_not_be_joined(kernels):
    found = fuse.fused(kernels, [0, 3])
    assert [k.writes for k in found] == [k.writes for k in kernels]


def test_sums_and_their_transpose():
    x, y = of(6, 5), of(5, 6)
    sums = apply("matmul", x, y)
    graph = Graph((x, y), (apply("add", sums, of_turned(sums)),))
    args = [np.arange(30.0, dtype=F32).reshape(6, 5) % 7, np.ones((5, 6), F32)]
    np.testing.assert_array_equal(native(graph)(args, frozenset())[0], reference(graph, args)[0])


def of_turned(x):
    return apply("transpose", x, order=(1, 0))


def test_kinds_of_kernels_after_the_joins():
    """Bias, activation and mask go into the product; a value that is also read elsewhere is stored once."""
    x, w, b = of(32, 20), of(20, 48), of(48)
    hidden = apply("relu", apply("add", apply("matmul", x, w), b))
    assert kinds_of(Graph((x, w, b), (hidden,))) == ["Contract"]
    both = Graph((x, w, b), (hidden, apply("sum", hidden, axes=(0,))))
    assert kinds_of(both) == ["Contract", "Reduce"]
    added = apply("add", apply("matmul", x, w), apply("matmul", apply("abs", x), w))
    assert kinds_of(Graph((x, w), (added,))).count("Contract") == 2
    assert kinds_of(Graph((x, w), (added,))).count("Map") <= 1


def test_a_sum_that_is_returned_twice():
    """The copy is made with the product, which is not joined again for it."""
    x, w = of(5, 4), of(4, 7)
    sums = apply("matmul", x, w)
    part = apply("pad", sums, shape=(9, 7), start=(2, 0), step=(1, 1))
    args = [np.arange(20.0, dtype=F32).reshape(5, 4), np.arange(28.0, dtype=F32).reshape(4, 7)]
    for outputs in ((sums, sums), (sums, sums, apply("relu", sums)), (part, sums), (part, part)):
        graph = Graph((x, w), outputs)
        for y, wanted in zip(native(graph)(args, frozenset()), reference(graph, args), strict=True):
            np.testing.assert_array_equal(y, wanted)


def test_the_generator_reaches_what_it_should():
    """Several summed axes, batches, every type of number, casts, scans."""
    programs = [product_program_of(seed) for seed in range(120)]
    words = " ".join(str(p.graph) for p in programs)
    for word in ("scan", "cast", "select", "slice", "transpose", "broadcast"):
        assert words.count(word) > 5, word
    shapes = [k for p in programs for k in contractions(p.graph)]
    for dtype in ("f4", "f8", "i4", "bool"):
        assert sum(k.a.dtype == dtype for k in shapes) > 3, dtype
    assert sum(len(k.axes) > 1 for k in shapes) > 5
    assert sum(len(k.kept) > 2 for k in shapes) > 5
    assert sum(len(k.scalars) > 3 for k in shapes) > 5
    assert sum(len(k.stores) > 1 for k in shapes) > 3


def contractions(graph: Graph):
    plan = schedule(rewrite(graph))[0]
    bodies = [k.body for k in plan.kernels if hasattr(k, "body")]
    every = itertools.chain(plan.kernels, *(body.kernels for body in bodies))
    return [kernel for kernel in every if isinstance(kernel, ContractKernel)]
