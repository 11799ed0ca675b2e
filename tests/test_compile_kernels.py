"""Every primitive, compiled, gives what the interpreter gives, in every dtype that it takes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import deltarule.derive  # noqa: F401  (loops are differentiated and staged by it)
from compiling import (
    apply,
    assert_close,
    assert_same,
    compiled,
    given,
    graph_of,
    reference,
    terms_of,
)
from deltarule.errors import DeltaruleError
from deltarule.program import Graph, primitives, type_of
from deltarule.program.lowering import Alias, Map
from deltarule.program.types import DTYPES, ArrayType

NATIVE = [d for d in DTYPES.values() if d.kind in "biuf" and d != np.float16]
PRIMITIVES = [p for p in primitives() if not isinstance(p.lowering, Alias) or p.name == "literal"]


def as_dtype(value, dtype):
    """Float64 arrays and attrs as another dtype; graphs stay."""
    if isinstance(value, np.dtype):
        return dtype if value == np.float64 else value
    if hasattr(value, "dtype"):
        return np.asarray(value).astype(dtype) if value.dtype == np.float64 else np.asarray(value)
    return value


@pytest.mark.native
@pytest.mark.parametrize("dtype", ["f8", "f4"])
@pytest.mark.parametrize("primitive", PRIMITIVES, ids=lambda p: p.name)
def test_samples_and_special_points(primitive, dtype):
    for sample in [*primitive.samples(np.random.default_rng(0)), *primitive.special()]:
        if dtype == "f4" and any(isinstance(v, Graph) for v in sample.attrs.values()):
            continue
        args = tuple(as_dtype(x, np.dtype(dtype)) for x in sample.args)
        attrs = {key: as_dtype(v, np.dtype(dtype)) for key, v in sample.attrs.items()}
        graph = graph_of(primitive, args, attrs)
        scale, count = terms_of(primitive, args, attrs)
        for found, wanted in zip(compiled(graph, args), reference(graph, args), strict=True):
            assert_close(found, wanted, scale, count, f"{primitive.name} {attrs} of {args}")


def edge_values(dtype: np.dtype) -> np.ndarray:
    if dtype.kind == "b":
        return np.array([False, True])
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        some = [info.min, info.max, 0, 1, 2, 7, info.max // 3, info.max - 1]
        return np.array([*some, *([-1, -7, info.min + 1] if dtype.kind == "i" else [])], dtype)
    info = np.finfo(dtype)
    some = [
        0.0,
        -0.0,
        1.0,
        -1.0,
        0.5,
        -2.5,
        np.inf,
        -np.inf,
        np.nan,
        info.max,
        -info.max,
        info.tiny,
    ]
    return np.array(
        [*some, -info.tiny, info.smallest_subnormal, 1e-3, -3.7, 100.0, 1e10, info.eps], dtype
    )


# Orders beside floats are in test_compile_special: SciPy's time grows with them.
ORDERED = [p for p in PRIMITIVES if p.name.startswith(("eval_", "spherical_"))]
ELEMENTWISE = [
    p
    for p in PRIMITIVES
    if isinstance(p.lowering, Map) and p.name not in ("select", "cast") and p not in ORDERED
]


@pytest.mark.native
@pytest.mark.parametrize("primitive", ELEMENTWISE, ids=lambda p: p.name)
def test_edges_of_every_dtype(primitive):
    """All pairs (triples) of edge values: extremes of integers, signed zeros, infinities, NaN, subnormals."""
    taken = 0
    arity = len(primitive.samples(np.random.default_rng(0))[0].args)
    for dtype in NATIVE:
        values = edge_values(dtype)
        try:
            primitive.type_rule(*(ArrayType((2,), dtype),) * arity)
        except DeltaruleError:
            continue
        if primitive.name == "power" and dtype.kind == "i":
            values = np.abs(values[(values > -100) & (values < 100)])
        every = list(itertools.product(values, repeat=arity))
        args = tuple(np.array([row[i] for row in every], dtype) for i in range(arity))
        graph = graph_of(primitive, args, {})
        (found,), (wanted,) = compiled(graph, args), reference(graph, args)
        assert_close(found, wanted, 1.0, 1, f"{primitive.name} in {dtype}")
        taken += 1
    assert taken


@pytest.mark.native
@pytest.mark.parametrize("old", NATIVE, ids=str)
def test_casts_between_all_dtypes(old):
    values = edge_values(old)
    for new in NATIVE:
        x = values
        if old.kind == "f" and new.kind in "iu":
            info = np.iinfo(new)
            x = x[
                np.isfinite(x)
                & (x > float(info.min))
                & (x < float(info.max))
                & ((x >= 0) | (new.kind == "i"))
            ]
        graph = graph_of(
            apply("cast", given(type_of(x)), dtype=new).primitive, (x,), {"dtype": new}
        )
        assert_same(compiled(graph, (x,)), reference(graph, (x,)), graph)


@pytest.mark.native
@pytest.mark.parametrize("name", ["sum", "mean", "max", "min", "argmax"])
@pytest.mark.parametrize("dtype", NATIVE, ids=str)
def test_reductions_of_every_layout(name, dtype):
    rng = np.random.default_rng(1)
    node = next(p for p in PRIMITIVES if p.name == name)
    for shape, axes in [
        ((37,), (0,)), ((5, 33), (1,)), ((33, 5), (0,)), ((3, 18, 5), (0, 2)), ((3, 18, 5), (1,)),
        ((2, 1, 70), (1, 2)), ((4, 1), (1,)), ((130, 17), (0,)), ((1, 1), (0, 1)), ((2, 3, 4, 5), (1, 3)),
    ]:  # fmt: skip
        x = (rng.normal(size=shape) * 20).astype(dtype)
        if name == "argmax" and len(axes) != 1:
            continue
        for turned in (False, True):
            source = given(type_of(x))
            order = tuple(reversed(range(len(shape))))
            moved = apply("transpose", source, order=order) if turned else source
            places = tuple(sorted(len(shape) - 1 - a for a in axes)) if turned else axes
            try:
                graph = Graph((source,), (apply(name, moved, axes=places),))
            except DeltaruleError:
                break
            scale, count = terms_of(node, (x,), {"axes": axes})
            scale = scale.T if turned and hasattr(scale, "T") else scale
            (found,), (wanted,) = compiled(graph, (x,)), reference(graph, (x,))
            assert_close(
                found,
                wanted,
                scale,
                count,
                f"{name} of {dtype}{shape} along {places}, turned {turned}",
            )


@pytest.mark.native
@pytest.mark.parametrize("where", range(4))
def test_nan_and_ties_in_reductions(where):
    x = np.array([[1.0, 5.0, 5.0, 2.0], [3.0, -1.0, 3.0, 3.0], [-np.inf, np.inf, 0.0, -0.0]])
    x[1, where] = np.nan
    for dtype, name, axis in itertools.product(
        ("f4", "f8"), ("max", "min", "argmax", "sum"), (0, 1)
    ):
        args = (x.astype(dtype),)
        graph = Graph((source := given(type_of(args[0])),), (apply(name, source, axes=(axis,)),))
        assert_same(compiled(graph, args), reference(graph, args), graph)


PRODUCTS = [
    ("ijb,jkb->ikb", (3, 4, 20), (4, 5, 20)), ("bij,bjk->ikb", (20, 3, 4), (20, 4, 5)),
    ("ij,jk->ik", (1, 1), (1, 1)), ("ij,jk->ik", (7, 5), (5, 3)),
    ("ij,jk->ik", (64, 33), (33, 50)), ("ij,jk->ik", (13, 40), (40, 1)),
    ("ij,jk->ik", (1, 40), (40, 70)), ("ij,kj->ik", (9, 20), (35, 20)),
    ("ji,jk->ik", (20, 9), (20, 35)), ("ji,kj->ik", (20, 9), (35, 20)),
    ("ij,jk->ki", (17, 8), (8, 19)), ("bij,bjk->bik", (3, 5, 6), (3, 6, 20)),
    ("bij,jk->bik", (3, 5, 6), (6, 20)), ("ij,bjk->bik", (5, 6), (3, 6, 20)),
    ("abij,abjk->abik", (2, 1, 4, 5), (1, 3, 5, 6)), ("ij,j->i", (30, 17), (17,)),
    ("ji,j->i", (17, 30), (17,)), ("i,i->", (100,), (100,)), ("i,j->ij", (5,), (37,)),
    ("ij,ij->j", (40, 33), (40, 33)), ("ijk,kjl->il", (4, 5, 6), (6, 5, 20)),
    ("ij,kl->ik", (4, 5), (6, 7)), ("ij->ji", (4, 5), None), ("ijk->j", (4, 5, 6), None),
    ("ij,jk->ik", (3, 0), (0, 4)), ("ij,jk->ik", (0, 2), (2, 4)),
    ("abij,abjk->abik", (2, 3, 4, 5), (2, 3, 5, 6)), ("ij,ik->jk", (128, 3), (128, 2)),
    ("ij,jk->ik", (200, 3), (3, 2)),
]  # fmt: skip


@pytest.mark.native
@pytest.mark.parametrize("dtype", ["f4", "f8", "i4", "bool"])
@pytest.mark.parametrize(("spec", "a", "b"), PRODUCTS, ids=lambda value: str(value))
def test_contractions_of_every_layout(spec, a, b, dtype):
    rng = np.random.default_rng(2)
    node = next(
        p for p in PRIMITIVES if p.name == ("matmul" if spec.startswith("ab") else "einsum")
    )
    attrs = {} if spec.startswith("ab") else {"spec": spec}
    shapes = [a] if b is None else [a, b]
    args = tuple((rng.normal(size=shape) * 3).astype(dtype) for shape in shapes)
    graph = graph_of(node, args, attrs)
    (found,), (wanted,) = compiled(graph, args), reference(graph, args)
    scale, count = (1.0, 1) if dtype == "bool" else terms_of(node, args, attrs)
    assert_close(found, wanted, scale, max(2, count), f"{spec} of {dtype}")


@pytest.mark.native
def test_moves_in_dtypes_that_nothing_is_computed_in():
    for dtype in ("c8", "c16", "f2", "bool", "u1"):
        x = np.arange(12).reshape(3, 4).astype(dtype)
        source = given(type_of(x))
        turned = apply("transpose", source, order=(1, 0))
        padded = apply("pad", turned, shape=(6, 3), start=(1, 0), step=(1, 1))
        graph = Graph(
            (source,),
            (padded, apply("concatenate", source, source, axis=0), apply("add", source, source)),
        )
        assert_same(compiled(graph, (x,)), reference(graph, (x,)), graph)


@pytest.mark.native
@pytest.mark.parametrize("count", [1, 2, 3, 5, 9, 31, 64, 1001])
def test_random_bits_are_those_of_the_reference(count):
    keys = np.random.default_rng(3).integers(0, 2**32, (3, 1, 2), dtype="u4")
    steps = np.array([0, 2**33 + 5])
    k, s = given(type_of(keys)), given(type_of(steps))
    graph = Graph((k, s), (apply("random_bits", k, s, site=7, shape=(count,)),))
    assert_same(compiled(graph, (keys, steps)), reference(graph, (keys, steps)), graph)
