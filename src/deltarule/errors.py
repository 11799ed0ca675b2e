"""The exceptions of deltarule. Each docstring is its help page: the cause, an example, the cure.

In: a plain sentence that names the thing, its actual value, the place and the cure. Out: an
exception that is also of the
built-in kind (``TypeError``, ``ValueError`` ...) which callers of NumPy expect.

    >>> import deltarule as dr
    >>> help(dr.TableError)                                         # doctest: +SKIP
"""

from __future__ import annotations


class DeltaruleError(Exception):
    """The base of every error that deltarule raises on purpose.

    Cause: one of those below.
    Cure: catch this one to catch them all; each of them says what to do.

    Examples
    --------
    >>> import deltarule as dr
    >>> try:
    ...     dr.fit("house.dr", [[1.0]], [1.0])
    ... except dr.DeltaruleError as error:
    ...     print(error)
    fit trains a network, an object of dr.Module, not 'house.dr'
    """


class TypeRuleError(DeltaruleError, TypeError):
    """Arguments do not fit an operation: shapes that do not broadcast, dtypes that differ,
    axes out of range.

    Cause: ``np.matmul`` of a (2, 3) and a (4, 5) array inside a differentiated function.
    Cure: the message names the operation, both types and the user's line; reshape or transpose
    there.

    Examples
    --------
    >>> import numpy as np, deltarule as dr
    >>> dr.grad(lambda x: np.sum(x @ np.ones((4, 5))))(np.ones((2, 3)))
    Traceback (most recent call last):
    deltarule.errors.TypeRuleError: matmul: inner sizes differ, 3 != 4: the arguments are f64[2,3]
    and f64[4,5]. Transpose one? (...)
    """


class GraphError(DeltaruleError, ValueError):
    r"""A graph, or its text form, is malformed: an unknown primitive, a use before the
    definition, a wrong type.

    Cause: text handed to ``Graph.from_text`` that was edited or cut.
    Cure: write the text again with ``Graph.to_text``.

    Examples
    --------
    >>> from deltarule.program import Graph
    >>> Graph.from_text("graph(%0: f64[2]) {\n  %1: f64[2] = tahn %0\n} -> %1")
    Traceback (most recent call last):
    deltarule.errors.GraphError: there is no primitive 'tahn'; known: abs, add, ...
    """


class TracedValueError(DeltaruleError, TypeError):
    """A number was asked of a traced value: ``float(t)``, ``int(t)``, ``t.item()``,
    ``np.asarray(t)`` by foreign code.

    Cause: ``z[0] = t`` where ``z`` is an array made outside the traced function, or ``math.sin(t)``.
    Cure: make ``z`` inside the function; use ``np.sin``; take the plain number with
    ``dr.value(t)`` (no gradient flows through).

    Examples
    --------
    >>> import math, deltarule as dr
    >>> dr.grad(lambda x: x * math.sin(x))(1.0)
    Traceback (most recent call last):
    deltarule.errors.TracedValueError: sin() asks for the number of a traced value (...). ...
    """


class BranchError(TracedValueError):
    """Python asked whether a traced value is true while its value is not known
    (``dr.compile``, ``dr.vmap``, ``dr.scan``).

    Cause: ``if x > 0: ...`` on a traced ``x``.
    Cure: ``np.where(x > 0, a, b)``; in plain ``dr.grad`` the branch is fine, values are known
    there.

    Examples
    --------
    >>> import deltarule as dr
    >>> dr.compile(lambda x: x if x > 0 else -x)(1.0)
    Traceback (most recent call last):
    deltarule.errors.BranchError: Python branches on a traced bool[] whose value is not known while
    compiling, batching or scanning (...). Write np.where(condition, a, b), or branch on a static
    argument
    """


class EscapedTracer(DeltaruleError, RuntimeError):
    """A traced value was used after the trace that made it had ended.

    Cause: a traced value kept in a global, an attribute or a closure and used in a later call.
    Cure: return it from the function instead; take its number with ``dr.value(t)`` before the
    function ends.

    Examples
    --------
    >>> import deltarule as dr
    >>> kept = []
    >>> _ = dr.grad(lambda x: kept.append(x) or x * x)(2.0)
    >>> kept[0] + 1
    Traceback (most recent call last):
    deltarule.errors.EscapedTracer: a traced value was used by add after the function that it was
    traced in had returned (...). ...
    """


class NoRuleError(DeltaruleError, NotImplementedError):
    """A NumPy function, or a form of it, has no rule for traced values.

    Cause: ``np.some_function(t)`` that deltarule does not trace.
    Cure: the message names the nearest thing that works; or give the rule yourself with
    ``dr.custom_vjp``.

    Examples
    --------
    >>> import numpy as np, deltarule as dr
    >>> dr.grad(lambda x: np.sum(np.spacing(x)))(np.ones(3))
    Traceback (most recent call last):
    deltarule.errors.NoRuleError: np.spacing has no rule for traced values (...): ...
    """


class NoMethodError(NoRuleError, AttributeError):
    """A method of arrays has no rule for traced values; ``hasattr`` then says that it is not there.

    Cause: ``t.byteswap()``.
    Cure: as for ``NoRuleError``.

    Examples
    --------
    >>> import numpy as np, deltarule as dr
    >>> dr.grad(lambda x: np.sum(x.byteswap()))(np.ones(3))
    Traceback (most recent call last):
    deltarule.errors.NoMethodError: np.ndarray.byteswap has no rule for traced values (...): ...
    """


class GradientError(DeltaruleError, TypeError):
    """A derivative was asked for that does not exist: a loss that is not a scalar, an integer
    input, a wrong argnum.

    Cause: ``dr.grad(f)(x)`` where ``f(x)`` has shape (3,), or ``x`` holds integers.
    Cure: sum the result, or use ``dr.jacobian``; pass floats.

    Examples
    --------
    >>> import deltarule as dr
    >>> dr.grad(lambda x: x * x)(3)
    Traceback (most recent call last):
    deltarule.errors.GradientError: grad: the differentiated argument 0 of <lambda> has dtype
    int64; pass floats, x.astype(float)
    """


class CheckFailed(DeltaruleError, AssertionError):
    """A proof of a gradient did not hold: the message names the mode, the argument, both
    numbers and the tolerance.

    Cause: a rule given to ``dr.custom_vjp`` that is not the derivative of its function.
    Cure: mend the rule; the numbers of the message say by what factor or sign it is off.

    Examples
    --------
    >>> import deltarule as dr
    >>> square = dr.custom_vjp(lambda x: x * x, lambda x: (x * x, x), lambda x, ct: (ct * x,))
    >>> dr.check_grads(square, 3.0, modes=["reverse"])              # forgot the 2 of 2 x
    Traceback (most recent call last):
    deltarule.errors.CheckFailed: derivative 1 of <lambda>: reverse mode, ... relative difference
    5.0e-01 > 1e-06
    """


class CompileError(DeltaruleError, RuntimeError):
    """A graph could not be turned into machine code, or a setting of the compiler is none.

    Cause: a processor or a system library that LLVM does not know; a misspelt ``DELTARULE_BACKEND``.
    Cure: ``DELTARULE_BACKEND=numpy`` runs the same graph without a compiler.

    Examples
    --------
    >>> import os, deltarule as dr
    >>> from unittest import mock
    >>> with mock.patch.dict(os.environ, DELTARULE_BACKEND="gpu"):
    ...     dr.compile(abs)(1.0)
    Traceback (most recent call last):
    deltarule.errors.CompileError: DELTARULE_BACKEND is 'gpu'; it can be llvm or numpy
    """


class ArgumentError(DeltaruleError, TypeError):
    """A function was called with an argument that it does not have.

    Cause: ``dr.fit(net, X, y, verbose=1)``, a habit from elsewhere, or a misspelt name.
    Cure: the message names the argument that does what was meant.

    Examples
    --------
    >>> import deltarule as dr
    >>> dr.fit(dr.Sequential(dr.Dense(1)), [[0.0]], [0.0], learning_rate=0.1)
    Traceback (most recent call last):
    deltarule.errors.ArgumentError: ...
    """


class ShapeError(DeltaruleError, ValueError):
    """Arrays given to a network do not fit it: the message gives both shapes, the layer and
    the cure.

    Cause: rows of other width than in training; targets of another shape than the outputs.
    Cure: give rows of that width, reshape the targets, or make the weights anew with
    ``net.init(X.shape)``.

    Examples
    --------
    >>> import numpy as np, deltarule as dr
    >>> dr.Sequential(dr.Dense(1)).init((1, 2))(np.ones((4, 3)))
    Traceback (most recent call last):
    deltarule.errors.ShapeError: inputs of shape (4, 3) do not fit the weights of shape (2, 1),
    which take 2 numbers a row: give inputs of that width, or make the weights anew with
    net.init(X.shape) (in layer dense1, Dense(1))
    """


class DataError(DeltaruleError, ValueError):
    """Training data, or a setting of a training, cannot be used as it is: not finite, of no rows,
    labels out of range, lengths that differ, a learning rate of 0.

    Cause: missing values read as NaN; classes numbered from 1; text in an array.
    Cure: the message names the first such element and what to do about it.

    Examples
    --------
    >>> import numpy as np, deltarule as dr
    >>> dr.fit(dr.Sequential(dr.Dense(1)), [[1.0], [np.nan]], [0.0, 1.0])
    Traceback (most recent call last):
    deltarule.errors.DataError: X[1, 0] is nan: 1 of 2 values, in 1 of 2 rows, are not finite. Fill
    or drop these rows first
    """


class TableError(DataError):
    """A table cannot be read or does not have what was asked for: a missing column (the
    nearest name is offered), an empty file, a word in a column of numbers.

    Cause: a misspelt name; a file that is no table, or is of another encoding; cells that were not
    cleaned. The message names the file, the column and the row; row 1 is the first below the names.
    Cure: mend the cells that it names, or leave them empty for missing; save text as UTF-8.

    Examples
    --------
    >>> import deltarule as dr
    >>> dr.train_table({"rooms": [1, 2, 3], "price": [100.5, 200.5, 300.5]}, "prize")
    Traceback (most recent call last):
    deltarule.errors.TableError: The table has no column 'prize'; did you mean 'price'?
    """


class ModelFileError(DeltaruleError, ValueError):
    """A model file is corrupt, truncated, foreign, or of a newer version. The file is never
    changed by reading it.

    Cause: a download that broke off; the table given where the model belongs; a file of a newer
    deltarule; a place that cannot be written.
    Cure: take an undamaged copy, name the right file, or install a newer deltarule.

    Examples
    --------
    >>> import deltarule as dr
    >>> dr.load("nowhere/house.dr")
    Traceback (most recent call last):
    deltarule.errors.ModelFileError: There is no file nowhere/house.dr: the folder nowhere does not
    exist.
    """


class WriteError(DeltaruleError, OSError):
    """A file cannot be written: its folder is missing or closed, or no space is left.

    Cause: a misspelt folder; a full disk. A file of that name is still there, whole.
    Cure: make the folder, free some space, or name another place.

    Examples
    --------
    >>> from deltarule.data import read_table, write_table
    >>> write_table(read_table({"rooms": [1, 2]}), "nowhere/new.csv")
    Traceback (most recent call last):
    deltarule.errors.WriteError: the folder of nowhere/new.csv does not exist; make it first:
    mkdir -p nowhere
    """


class NonFiniteLoss(DeltaruleError, ArithmeticError):
    """The loss became NaN or infinite. The last good weights are kept; the message names the
    step and the first layer.

    Cause: a learning rate too large, targets or inputs on a scale of thousands, NaN in the data.
    Cure: scale the inputs and the target, lower the learning rate.

    Examples
    --------
    >>> import deltarule as dr
    >>> net = dr.Sequential(dr.Dense(1))
    >>> dr.fit(net, [[1e4], [2e4]], [1e4, 0.0], optimizer=dr.SGD(1.0), seed=0)
    Traceback (most recent call last):
    deltarule.errors.NonFiniteLoss: the loss became inf in epoch 3, step 3. The first number that is
    not finite is that of mul -> f32[2,1] at ... in the loss mse. The network keeps the weights of
    step 1. Scale inputs and targets to about 1, or lower the learning rate
    """
