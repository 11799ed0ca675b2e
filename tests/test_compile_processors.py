"""Code for smaller processors, run on this one: without AVX-512, and without AVX and FMA."""

from __future__ import annotations

import platform

import numpy as np
import pytest

import deltarule.derive  # noqa: F401
from compiling import assert_close, assert_same, graph_of, native, reference, terms_of
from deltarule.compile.lower import schedule
from deltarule.program import Graph, primitives
from test_compile_graphs import program_of

pytestmark = [
    pytest.mark.native,
    pytest.mark.skipif(platform.machine() != "x86_64", reason="instruction sets of x86-64"),
]
SMALLER = {"haswell": ("avx2", 32, 16), "x86-64": ("sse2", 16, 16)}


def processor_of(name: str):
    from deltarule.compile.llvm.load import Processor, llvm, this_processor

    feature, vector_bytes, registers = SMALLER[name]
    if not llvm().get_host_cpu_features().get(feature):
        pytest.skip(f"this processor has no {feature}")
    return Processor(this_processor().triple, name, "", vector_bytes, registers)


def run(graph: Graph, args, name: str):
    return native(graph, processor_of(name))([np.ascontiguousarray(x) for x in args], frozenset())


@pytest.mark.parametrize("name", SMALLER)
def test_generated_programs(name):
    for seed in range(40):
        graph, args = program_of(seed)
        assert_same(run(graph, args, name), reference(graph, args), graph)


@pytest.mark.parametrize("name", SMALLER)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_samples_of_all_primitives(name, dtype):
    for primitive in primitives():
        for sample in [*primitive.samples(np.random.default_rng(0)), *primitive.special()]:
            if any(isinstance(v, (Graph, np.dtype)) for v in sample.attrs.values()):
                continue
            args = [np.asarray(x) for x in sample.args]
            args = tuple(x.astype(dtype) if x.dtype == np.float64 else x for x in args)
            graph = graph_of(primitive, args, sample.attrs)
            scale, count = terms_of(primitive, args, sample.attrs)
            for found, wanted in zip(run(graph, args, name), reference(graph, args), strict=True):
                assert_close(found, wanted, scale, count, f"{primitive.name} {sample.attrs}")


@pytest.mark.parametrize("name", SMALLER)
def test_the_instructions_are_those_of_the_processor(name):
    from deltarule.compile.llvm.load import assembly
    from deltarule.compile.llvm.module import write

    x = np.ones((40, 40), "f4")
    graph = graph_of(next(p for p in primitives() if p.name == "matmul"), (x, x), {})
    text = assembly(write(schedule(graph)[0], processor_of(name)).text, processor_of(name))
    assert "zmm" not in text
    assert ("ymm" in text) == (name == "haswell")
