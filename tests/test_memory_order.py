"""Functions that ask how an array lies in memory give what NumPy gives, compiled and batched, too.

In: arrays in row-major, column-major and mixed order. Out: comparisons with NumPy; an error where the order
is not known.
"""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import deltarule as dr
from deltarule.errors import NoRuleError

PLANE, SPACE = np.arange(6.0).reshape(2, 3), np.arange(24.0).reshape(2, 3, 4)
ARRAYS = {
    "rows first": PLANE,
    "columns first": np.asfortranarray(PLANE),
    "three axes": SPACE,
    "turned": SPACE.T,
    "two axes turned": SPACE.transpose(1, 0, 2),
    "with gaps": np.asfortranarray(SPACE)[:, ::2],
    "rows with gaps": SPACE[:, :, ::2],
}


def written(y, x):
    """The elements of x in the order in which y lies in memory."""
    y[...] = x
    return y.ravel("K")


FUNCTIONS = {
    "ravel A": lambda x: x.ravel("A"),
    "ravel K": lambda x: x.ravel("K"),
    "of the transposed": lambda x: x.T.ravel("A"),
    "reshape A": lambda x: np.reshape(x, (-1, 2), order="A"),
    "flatten K": lambda x: x.flatten("K"),
    "copy A": lambda x: np.copy(x, order="A").ravel("K"),
    "copy K": lambda x: np.copy(x).ravel("K"),
    "copy F": lambda x: np.copy(x, "F").ravel("K"),
    "copy method": lambda x: x.copy().ravel("K"),
    "array F": lambda x: np.array(x, order="F").ravel("K"),
    "astype": lambda x: x.astype("f4").ravel("K"),
    "astype F": lambda x: x.astype(float, order="F").ravel("K"),
    "zeros_like": lambda x: written(np.zeros_like(x), x),
    "empty_like F": lambda x: written(np.empty_like(x, order="F"), x),
    "full_like A": lambda x: written(np.full_like(x, x.sum(), order="A"), x),
    "ones_like of as many axes": lambda x: written(np.ones_like(x, shape=x.shape), x),
    "zeros F": lambda x: written(np.zeros(x.shape, order="F"), x),
    "asfortranarray": lambda x: np.asfortranarray(x).ravel("A"),
    "ascontiguousarray": lambda x: np.ascontiguousarray(x).ravel("A"),
}


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
def test_compiled_and_batched_as_in_numpy(function):
    compiled = dr.compile(function)
    for x in ARRAYS.values():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # many versions, on purpose
            np.testing.assert_array_equal(compiled(x), function(x))
        for axis in range(x.ndim):
            examples = [x[(slice(None),) * axis + (i,)] for i in range(x.shape[axis])]
            if any(example.size % 2 for example in examples):
                continue
            expected = np.stack([function(example) for example in examples])
            np.testing.assert_array_equal(dr.vmap(function, axis)(x), expected)
            np.testing.assert_array_equal(dr.compile(dr.vmap(function, axis))(x), expected)


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
def test_derivatives_go_to_the_elements_that_were_moved(function):
    for x in (PLANE, np.asfortranarray(PLANE)):
        expected = function(x)
        for jacobian in (dr.jacobian(function), dr.compile(dr.jacobian(function))):
            np.testing.assert_array_equal(np.tensordot(jacobian(x), x, 2), expected)


def test_a_reshape_of_a_column_major_copy_is_a_copy():
    def f(x):
        y = np.copy(x)
        y.reshape(-1)[0] = 9.0
        return y * 1.0

    compiled = dr.compile(f)
    for x in (PLANE, np.asfortranarray(PLANE)):
        np.testing.assert_array_equal(compiled(x), f(x))


def test_a_computed_array_has_an_order_only_where_its_numbers_are_known():
    def f(x):
        return (x.T + 1).ravel("K")

    assert dr.grad(lambda x: f(x)[1])(PLANE)[0, 1] == 1.0
    with pytest.raises(NoRuleError, match=r"order='K'.*not known while compiling"):
        dr.compile(f)(PLANE)
