"""Assignment in place: views, copies, boolean and fancy keys, augmented assignment, out=, as NumPy does it.

In: functions that write into arrays. Out: the value that plain NumPy gives for the same function, and a
gradient that central differences confirm; single cases by hand, then random programs.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

import deltarule as dr
from deltarule import program
from deltarule.derive.check import directional_difference
from deltarule.derive.trace import stage
from deltarule.program.ops.shape import pad

X = np.array([0.3, -0.7, 1.1, 0.4])


def same_as_numpy(f, x=X, order=1):
    """The value is that of plain NumPy, the gradient that of central differences, and x is as before."""
    before = x.copy()
    value, gradient = dr.value_and_grad(f)(x)
    np.testing.assert_allclose(value, f(x.copy()), rtol=1e-13)
    dr.check_grads(f, x, order=order)
    np.testing.assert_array_equal(x, before)
    return gradient


WEIGHTS = np.arange(1.0, 31.0)


def weighted(*arrays):
    """A number that depends on every element of every array, each in its own way."""
    return sum((np.sin(a) * WEIGHTS[: a.size].reshape(a.shape)).sum() for a in arrays)


# --- by hand ---


def slice_of_a_slice(x):
    a = np.zeros((4, 4))
    b = a[1:, ::2]
    c = b[::-1]
    c[0] = x[:2]
    b[0, 1] += x[3]
    return weighted(a, b, c)


def transposed_view(x):
    a = np.outer(x, x)
    a.T[0] = x
    a.T[1:3, 2] *= x[1]
    return weighted(a)


def reshaped_view(x):
    a = np.zeros((2, 2))
    a.reshape(-1)[1:3] = x[:2]
    a.ravel()[0] = x[3]
    return weighted(a)


def reshape_that_copies(x):
    a = np.outer(x, x)
    r = a.T.reshape(-1)
    r[0] = 100 * x[1]
    a[1, 1] = x[2]
    return weighted(a, r)


def flatten_is_a_copy(x):
    a = x * 1.0
    b = a.flatten()
    b[0] = 5.0
    return weighted(a, b)


def rowmajor_view_of_a_transposed_sum(x):
    a = np.outer(x, x**2).T + 1  # NumPy keeps it column-major, so reshape copies
    b = a.reshape(-1)
    b[0] = x[0]
    a[0, 1] = 7.0
    return weighted(a, b)


def flat_of_a_transposed_view(x):
    a = np.outer(x, x)
    a.T.flat[1] = x[0]
    a.T.flat[3:5] = x[1:3]
    return weighted(a) + a.flat[2]


def boolean_assignment(x):
    a = x * 1.0
    a[np.array([True, False, True, False])] = x[:2] * 3
    a[a < -0.5] = 2.0
    a[x > 1.0] *= 4
    return weighted(a)


def boolean_matrix(x):
    a = np.outer(x, x)
    a[a > 0.2] = x[0]
    a[np.array([True, False, False, True]), 1:] = 0.0
    return weighted(a)


def fancy_with_repeats_last_counts(x):
    a = np.zeros(3)
    a[[0, 0, 1, 2]] = x
    a[[1, 1]] += x[:2]
    return weighted(a)


def fancy_pairs(x):
    a = np.zeros((3, 3))
    a[[0, 1, 2], [2, 1, 0]] = x[:3]
    a[:, [0, 2]] += x[3]
    a[np.ix_([0, 1], [1, 2])] -= 0.5 * x[1]
    return weighted(a)


def swapped_rows(x):
    a = np.outer(x, np.arange(1.0, 5.0))
    a[[0, 1]] = a[[1, 0]]
    a[:, [0, 3]] = a[:, [3, 0]]
    return weighted(a)


def swapped_by_tuple(x):
    a = x * 1.0
    a[0], a[2] = a[2], a[0]
    return weighted(a)


def swapped_rows_that_alias(x):
    a = np.outer(x, x)
    a[0], a[1] = a[1], a[0]  # as in NumPy, row 0 is lost: the right side are views
    return weighted(a)


def overlap(x):
    a = np.outer(x, x)
    a[1:] += a[:-1]
    a[:, :] = a[::-1]
    a[0, 1:] = a[0, :-1]
    return weighted(a)


def out_arguments(x):
    a = np.zeros(4)
    np.sin(x, out=a)
    np.multiply(a, x, out=a)
    np.add(a[1:], x[:-1], out=a[1:])
    b = np.zeros(())
    np.sum(a, out=b)
    c = np.zeros((2, 2))
    np.matmul(a.reshape(2, 2), x.reshape(2, 2), out=c)
    np.exp(c, out=c, where=np.eye(2) > 0)
    return weighted(a, c) + b


def where_guards_a_division(x):
    a = np.full(4, 2.0)
    np.divide(x, [1.0, 0.0, 2.0, 0.0], out=a, where=np.array([True, False, True, False]))
    return weighted(a)


def at(x):
    a = np.zeros(3)
    np.add.at(a, [0, 0, 2, 2], x)
    np.subtract.at(a, 1, x[0])
    b = np.zeros((2, 3))
    np.add.at(b, ([0, 0, 1], [1, 1, 2]), x[:3])
    np.add.at(b, (slice(None), 0), x[3])
    return weighted(a, b)


def functions_that_write(x):
    a = np.zeros((3, 3))
    np.copyto(a, x[0])
    np.copyto(a[0], x[:3], where=[True, False, True])
    np.fill_diagonal(a, x[1] * x[:3])
    np.put(a, [1, -1], x[2:])
    np.put_along_axis(a, np.array([[0], [1], [2]]), x[3], axis=1)
    np.putmask(a, a == a[1, 2], x[1])
    np.place(a, [[False, True, False]] * 3, x[:2])
    return weighted(a)


def methods_that_write(x):
    a, b = np.zeros(4), x * 1.0
    a.fill(x[2])
    a.put([0], x[1])
    b.sort()
    b[:2].fill(0.25)
    return weighted(a, b)


def indexed_on_separate_axes(x):
    a = np.zeros((2, 3, 2, 4))
    a[:, [0, 2], :, [1, 3]] = x[:2, None, None] * np.ones((2, 2, 2))
    a[0, :, [1, 0]] += x[2]
    a[1, [0, 1], :, 2] -= x[3]
    return np.sum(np.sin(a) * np.arange(48.0).reshape(a.shape))


def broadcasting(x):
    a = np.zeros((2, 4))
    a[:] = x
    a[:, 1] = x[0]
    a[...] += x[:2, None]
    a[0] = 2
    a[None, 1, 2] = x[3:]
    return weighted(a)


def scalars_are_replaced(x):
    a = x[0]
    a += 1
    b = a
    b *= x[1]
    s = x.sum()
    s -= x[2]
    return a * b * s + x[0]


def arrays_of_no_axes_are_written(x):
    a = np.array(0.0)
    b = a
    b += x[0]
    a[...] = a * x[1]
    a[()] += x[2]
    return a * b


def names_share_a_buffer(x):
    a = x * 1.0
    b = a
    b += 1
    c = np.asarray(a)
    c[0] = x[3]
    d = np.array(a, copy=None)
    d *= 2
    e = a.astype(float, copy=False)
    e[1] = x[0]
    f = a.view()
    f[2] = x[1]
    return weighted(a) + (a is b)


def copies_do_not_share(x):
    a = x * 1.0
    for b in (
        np.array(a),
        np.copy(a),
        a.copy(),
        a[[0, 1]],
        a + 0,
        +a,
        np.take(a, [0]),
        a.astype(float),
        a[a < 9],
    ):
        b[0] = 9.0
    row = np.take(np.outer(a, a), 0, axis=0)
    row[0] = 3.0
    return weighted(a)


def written_in_a_loop(x):
    a = np.zeros((3, 4))
    for row in a:
        row += x
    for i, row in enumerate(a.T):
        row[i % 3] *= x[i]
    return weighted(a)


def the_argument_itself(x):
    x[0] = x[1] * x[2]
    x[1:] **= 3
    x += x[::-1]
    return weighted(x)


def a_view_read_late(x):
    a = np.zeros((2, 2))
    row, column, whole = a[0], a[:, 1], a.ravel()
    a[0, 1] = x[0]
    column += x[1]
    return weighted(row, column, whole) + row[1] * column[0]


def float32_array(x):
    a = np.zeros(4, np.float32)
    a[:2] = x[:2].astype(np.float32)
    a += 1
    return a.astype(np.float64).sum()


def of_integers(x):
    n = np.zeros(4, int)
    n[1:] += 2
    n[0] = 1.9
    n[n == 2] = np.arange(3)
    return (x * n).sum()


def lists_of_traced_values(x):
    a = np.zeros((2, 2))
    a[0] = [x[0], 2.0]
    a[:, 1] = (x[1], x[2])
    a[:] += [[x[0], 0.0], [1.0, x[3]]]
    return weighted(a)


HANDMADE = [
    f
    for f in list(globals().values())
    if getattr(f, "__code__", None) and f.__code__.co_varnames[:1] == ("x",)
]


@pytest.mark.parametrize("f", HANDMADE, ids=lambda f: f.__name__)
def test_by_hand(f):
    exact = f not in (float32_array,)
    if exact:
        same_as_numpy(f)
    else:
        np.testing.assert_allclose(dr.value_and_grad(f)(X)[0], f(X.copy()), rtol=1e-7)


def test_gradients_by_hand():
    def overwritten(x):
        a = x * 1.0
        a[0] = 5.0
        a[[1, 1]] = [x[2], x[3]]
        return a.sum()

    np.testing.assert_array_equal(dr.grad(overwritten)(X), [0, 0, 1, 2])


# --- refused ---


def broadcast_view(x):
    np.broadcast_to(x, (2, 4))[0, 0] = 1.0


def diagonal_view(x):
    np.diagonal(np.outer(x, x))[0] = 1.0


def too_long(x):
    x[:2] = x[:3]


def too_deep(x):
    x[:1] += x[:2]


def out_of_bounds(x):
    x[4] = 1.0


def out_of_bounds_in_a_list(x):
    x[[0, 5]] = 1.0


def into_integers(x):
    n = np.zeros(4, int)
    n += x


def half_into_integers(x):
    n = np.zeros(4, int)
    n += 0.5


def copied_into_integers(x):
    np.copyto(np.zeros(4, int), 0.5)


def computed_into_integers(x):
    np.add(np.ones(4), 0.5, out=np.zeros(4, int))


@pytest.mark.parametrize(
    "f", [broadcast_view, diagonal_view, too_long, too_deep, out_of_bounds, out_of_bounds_in_a_list]
)
def test_what_numpy_refuses(f):
    with pytest.raises((ValueError, IndexError)) as plain:
        f(X.copy())
    with pytest.raises(plain.type):
        dr.grad(lambda x: f(x) or x.sum())(X)


@pytest.mark.parametrize(
    "f", [into_integers, half_into_integers, copied_into_integers, computed_into_integers]
)
def test_floats_are_not_cut(f):
    with pytest.raises(TypeError):
        f(X.copy())
    with pytest.raises(TypeError):
        dr.grad(lambda x: f(x) or x.sum())(X)


# --- random programs ---


class Program:
    """A growing program; plain NumPy runs each statement as it is added, so that the next one fits."""

    def __init__(self, draw):
        self.draw = draw
        self.lines = ["a = np.outer(x, x)"]
        self.arrays = {"a": np.outer(X, X)}

    def add(self, line):
        self.lines.append(line)
        exec(line, {"np": np, "x": X.copy()}, self.arrays)
        self.arrays = {name: a for name, a in self.arrays.items() if name not in ("i", "j")}

    def pick(self, options):
        return self.draw(st.sampled_from(list(options)))

    def name(self):
        return self.pick(self.arrays)

    def new(self):
        return f"t{len(self.arrays)}"

    def key(self, shape):
        """A basic or an advanced key, as text."""
        items = []
        for n in shape:
            basic = [":", "::-1", "1:", f":{n}"] + (
                [str(self.draw(st.integers(-n, n - 1)))] if n else []
            )
            items.append(self.pick(basic))
        if shape and self.draw(st.booleans()):
            axis = self.draw(st.integers(0, len(shape) - 1))
            n = shape[axis]
            if n:
                items[axis] = str(
                    self.draw(st.lists(st.integers(-n, n - 1), min_size=1, max_size=3))
                )
        if items and self.draw(st.integers(0, 5)) == 0:
            items[0] = str([bool(self.draw(st.booleans())) for _ in range(shape[0])])
        key = ", ".join(items) or "..."
        try:
            _at(np.empty(shape), key)
        except IndexError:  # a mask and a list of other lengths
            return "..."
        return key

    def value(self, shape):
        """An expression that broadcasts to ``shape``."""
        fitting = [
            n
            for n, a in self.arrays.items()
            if np.ndim(a) <= len(shape) and _broadcasts(a.shape, shape)
        ]
        i = self.draw(st.integers(0, 3))
        options = [f"x[{i}]", "0.3", f"np.sin(x[{i}])"]
        if fitting:
            name = self.pick(fitting)
            options += [name, f"0.5 * {name}", f"np.sin({name})"]
        return self.pick(options)


def _at(a, key):
    return a[eval(f"np.s_[{key}]", {"np": np})]


def _broadcasts(shape, target):
    try:
        return np.broadcast_shapes(shape, target) == target
    except ValueError:
        return False


def make(p):
    p.add(
        f"{p.new()} = "
        + p.pick(
            ["np.zeros((2, 3))", "np.outer(x, x).T + 1.0", "x[1:] * x[0]", "np.ones(3)", "x.copy()"]
        )
    )


def look(p):
    """A view, or a copy where NumPy makes one."""
    name = p.name()
    a = p.arrays[name]
    forms = [
        f"{name}.T",
        f"{name}.reshape(-1)",
        f"{name}.ravel()",
        f"{name}[::-1]" if a.ndim else f"{name}[...]",
        f"{name}[None]",
    ]
    forms += [
        f"{name}[{p.key(a.shape)}]",
        f"{name}.copy()",
        f"np.asarray({name})",
        f"{name} * 0.5",
        f"np.squeeze({name})",
    ]
    if a.size % 2 == 0:
        forms.append(f"{name}.reshape(2, -1)" if a.size else f"{name}.reshape(2, 0)")
    line = p.pick(forms)
    found = eval(line, {"np": np}, dict(p.arrays))
    if isinstance(found, np.ndarray) and 0 < found.size <= 30 and found.ndim <= 3:
        p.add(f"{p.new()} = {line}")


def write(p):
    name = p.name()
    a = p.arrays[name]
    key = p.key(a.shape)
    value = p.value(np.shape(_at(a, key)))
    p.add(f"{name}[{key}] {p.pick(['=', '+=', '*=', '-='])} {value}")


def write_all(p):
    name = p.name()
    a = p.arrays[name]
    value = p.value(a.shape)
    forms = [
        f"{name} += {value}",
        f"{name} *= 0.5",
        f"np.copyto({name}, {value})",
        f"np.sin({name}, out={name})",
    ]
    forms += [
        f"np.add({name}, {value}, out={name})",
        f"{name}.fill(x[1])",
        f"{name}[...] = {value}",
    ]
    if a.ndim and a.size:
        forms += [
            f"np.cumsum({name}, axis=0, out={name})",
            f"np.multiply({name}, 0.5, out={name}, where=np.indices({name}.shape)[0] % 2 == 0)",
            f"np.putmask({name}, np.indices({name}.shape)[-1] == 0, x[:2])",
            f"np.place({name}, np.indices({name}.shape)[0] == 0, x[1:3])",
            f"np.put({name}, [0, 5, -7], x[:2], mode='wrap')",
            f"np.put({name}, [-3, 70], [x[0], x[2]], mode='clip')",
            f"np.put_along_axis({name}, np.zeros_like({name}[..., :1], int), x[3], -1)",
            f"np.copyto({name}, x[0], where=np.indices({name}.shape)[0] == 0)",
        ]
    if a.ndim == 2:
        forms += [
            f"np.swapaxes({name}, 0, 1)[0] += x[0]",
            f"np.moveaxis({name}, 0, -1)[..., 0] *= x[1]",
            f"for i in range({a.shape[0]}):\n    for j in range({a.shape[1]}):\n"
            f"        {name}[i, j] += 0.1 * {name}[i - 1, j - 1]",
            f"np.fill_diagonal({name}, x[:2], wrap=True)",
            f"np.matmul({name}, np.eye({a.shape[1]}) * 0.5, out={name})",
        ]
    if a.ndim == 2 and a.shape[0] > 1:
        forms += [
            f"np.multiply.at({name}, ([0, 1, 0], 0), x[:3])",
            f"{name}[0], {name}[1] = {name}[1].copy(), {name}[0].copy()",
            f"np.fill_diagonal({name}, x[2])",
            f"{name}[[0, 1]] = {name}[[1, 0]]",
            f"{name}[1:] += {name}[:-1]",
        ]
    if a.ndim == 1 and a.size > 1:
        forms += [
            f"np.add.at({name}, [0, 0, 1], x[:3])",
            f"np.multiply.at({name}, [0, 0, 1], x[:3])",
            f"np.subtract.at({name}, slice(0, 2), x[0])",
            f"np.sin.at({name}, [1, 0, 1])",
            f"np.arctan2.at({name}, [-1, -1], x[0])",
            f"np.put({name}, [0, -1], x[:2])",
            f"{name}.flat[1] = x[3]",
        ]
    if a.ndim and np.diff(np.sort(a, -1)).min(initial=1.0) > 0.05:  # no kink is near
        forms += [f"{name}.sort(axis=-1)", *([f"{name}.partition(1)"] if a.shape[-1] > 1 else [])]
    p.add(p.pick(forms))


@given(st.data())
@settings(max_examples=150)
def test_random_programs(data):
    p = Program(data.draw)
    for _ in range(data.draw(st.integers(2, 8))):
        p.pick([make, look, write, write, write_all, look])(p)
    text = "\n".join(
        [
            "def f(x):",
            *(f"    {line}" for lines in p.lines for line in lines.splitlines()),
            f"    return weighted({', '.join(p.arrays)})",
        ]
    )
    note(text)
    fresh = [a for a in p.arrays.values() if a.base is None]
    rowmajor = all(a.flags.c_contiguous for a in fresh)  # others are not known from types alone
    check_program(text, data.draw(st.integers(0, 1000)), rowmajor)


def check_program(text, seed, rowmajor=False):
    scope = {"np": np, "weighted": weighted}
    exec(compile(text, "<program>", "exec"), scope)
    f = scope["f"]
    value, gradient = dr.value_and_grad(f)(X)
    np.testing.assert_allclose(value, f(X.copy()), rtol=1e-12)
    if rowmajor:
        pure = stage(lambda x: [f(x)], [program.type_of(X)])  # nothing in it writes into a value
        found = program.interpret(pure.graph, X, *pure.captured)[0]
        np.testing.assert_allclose(found, value, rtol=1e-12)
    v = np.random.default_rng(seed).normal(size=4)
    (numeric,) = directional_difference(lambda x: f(x.copy()), (X,), (v,))
    np.testing.assert_allclose(gradient @ v, numeric, rtol=1e-6, atol=1e-8)


def flat_and_flags(x):
    y = np.outer(x, x)
    y.flat = x
    y.flat[3] = 5 * x[0]
    y[True] += x
    y[False] = 7.0
    y[x[0] > 0] *= 2
    z = np.array(x[1])
    z[z > 0] = z[z > 0] ** 2
    return np.sum(y * np.arange(16.0).reshape(4, 4)) * z


def test_flat_is_assigned_and_a_single_bool_takes_all_or_nothing():
    assert dr.value_and_grad(flat_and_flags)(X)[0] == pytest.approx(flat_and_flags(X))
    dr.check_grads(flat_and_flags, X)


# --- how much is recorded ---


def written_by_index(x):
    y = np.zeros((3, 4))
    y[1] = x
    return y.sum()


def added_to_a_part(x):
    y = np.zeros(5)
    y[1:] += x
    return y.sum()


def view_written_twice(x):
    y = x * 1.0
    v = y[1:3]
    v += 1.0
    v *= 2.0
    return v.sum() + y.sum()


@pytest.mark.parametrize(
    "f, slices, updates",
    [(written_by_index, 0, 1), (added_to_a_part, 1, 1), (view_written_twice, 1, 2)],
    ids=lambda item: getattr(item, "__name__", None),
)
def test_a_write_is_recorded_once(f, slices, updates):
    """A part that is only written to is not read, and a view knows what was written through it."""
    graph = stage(lambda x: [f(x)], [program.type_of(X)]).graph
    names = [node.primitive.name for node in graph.nodes]
    assert (names.count("slice"), names.count("update")) == (slices, updates)
    same_as_numpy(f, order=2)


def test_a_view_takes_values_of_an_outer_function():
    def f(x):
        def inner(t):
            y = np.zeros(4) * t
            v = y[1:3]
            v[:] = x[:2]
            v *= t
            return np.sum(v * y[1:3])

        return dr.grad(inner)(2.0)

    np.testing.assert_allclose(dr.grad(f)(X), [8 * X[0], 8 * X[1], 0, 0])


def test_cotangents_gathered_in_place_reach_nobody_else():
    """Parts of an array add up in one buffer, which must not be a cotangent that others have as well."""
    weights = np.arange(1.0, 7.0)

    def both(f, x):
        dr.check_grads(f, x, order=2)
        _, pullback = dr.vjp(f, x)
        ct = np.ones(np.shape(f(x)))
        first = pullback(ct)[0]
        np.testing.assert_array_equal(ct, 1)  # neither the caller's array is written to
        np.testing.assert_array_equal(first, pullback(ct)[0])

    def shared(x):  # one cotangent goes to y and to z; parts of y add to its own
        y, z = np.sin(x), np.cos(x)
        total = y + z
        return np.sum(y[1:4] * y[2:5]) + np.sum(total * weights) + z[0] * total[0]

    def written(x):
        y = x * 1.0
        for i in range(1, 6):
            y[i] = y[i] * y[i - 1]
        y[1:3] = y[2:4]
        y[::-1] = y  # one node is the whole and the part
        y[::-2] += 2 * y[:3]
        return y * weights

    def overwritten(x):
        y = x * x
        before = y.copy() + y[::-1]
        y[2:] = np.sin(before[:4])
        return y + before

    for f in (shared, written, overwritten):
        both(f, np.array([0.3, -0.7, 1.1, 0.4, -1.3, 0.9]))


def test_a_loop_over_parts_makes_no_zeros_for_each():
    """The backward pass of n reads of one element is not n arrays of n zeros."""
    made, original = [], pad.evaluate

    def counting(*args, **attrs):
        made.append(args[1])
        return original(*args, **attrs)

    object.__setattr__(pad, "evaluate", counting)
    try:
        found = dr.grad(lambda x: sum(x[i] * x[i] for i in range(50)))(np.arange(50.0))
    finally:
        object.__setattr__(pad, "evaluate", original)
    np.testing.assert_array_equal(found, 2 * np.arange(50.0))
    assert made == [(50,)]
