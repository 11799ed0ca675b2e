"""The exceptions of deltarule. Each docstring is its help page: the cause, an example, the cure.

In: a plain sentence that names the thing, its actual value, the place and the cure. Out: an
exception that is also of the
built-in kind (``TypeError``, ``ValueError`` ...) which callers of NumPy expect.
"""

from __future__ import annotations


class DeltaruleError(Exception):
    """The base of every error that deltarule raises on purpose; catch this one to catch them
    all."""


class TypeRuleError(DeltaruleError, TypeError):
    """Arguments do not fit an operation: shapes that do not broadcast, dtypes that differ,
    axes out of range.

    Cause: ``np.matmul`` of a (2, 3) and a (4, 5) array inside a differentiated function.
    Cure: the message names the operation, both types and the user's line; reshape or transpose
    there.
    """


class GraphError(DeltaruleError, ValueError):
    """A graph, or its text form, is malformed: an unknown primitive, a use before the
    definition, a wrong type.

    Cause: text handed to ``Graph.from_text`` that was edited or cut.
    Cure: write the text again with ``Graph.to_text``.
    """


class TracedValueError(DeltaruleError, TypeError):
    """A number was asked of a traced value: ``float(t)``, ``int(t)``, ``t.item()``,
    ``np.asarray(t)`` by foreign code.

    Cause: ``z[0] = t`` where ``z`` is an array made outside the traced function, or ``math.sin(t)``.
    Cure: make ``z`` inside the function; use ``np.sin``; take the plain number with
    ``dr.value(t)`` (no gradient flows through).
    """


class BranchError(TracedValueError):
    """Python asked whether a traced value is true while its value is not known
    (``dr.compile``, ``dr.vmap``, ``dr.scan``).

    Cause: ``if x > 0: ...`` on a traced ``x``.
    Cure: ``np.where(x > 0, a, b)``; in plain ``dr.grad`` the branch is fine, values are known
    there.
    """


class EscapedTracer(DeltaruleError, RuntimeError):
    """A traced value was used after the trace that made it had ended.

    Cause: a traced value kept in a global, an attribute or a closure and used in a later call.
    Cure: return it from the function instead; take its number with ``dr.value(t)`` before the
    function ends.
    """


class NoRuleError(DeltaruleError, NotImplementedError):
    """A NumPy function, or a form of it, has no rule for traced values.

    Cause: ``np.some_function(t)`` that deltarule does not trace.
    Cure: the message names the nearest thing that works; or give the rule yourself with
    ``dr.custom_vjp``.
    """


class NoMethodError(NoRuleError, AttributeError):
    """A method of arrays has no rule for traced values; ``hasattr`` then says that it is not there.

    Cause: ``t.byteswap()``.
    Cure: as for ``NoRuleError``.
    """


class GradientError(DeltaruleError, TypeError):
    """A derivative was asked for that does not exist: a loss that is not a scalar, an integer
    input, a wrong argnum.

    Cause: ``dr.grad(f)(x)`` where ``f(x)`` has shape (3,), or ``x`` holds integers.
    Cure: sum the result, or use ``dr.jacobian``; pass floats.
    """


class CheckFailed(DeltaruleError, AssertionError):
    """A proof of a gradient did not hold: the message names the mode, the argument, both
    numbers and the tolerance."""


class CompileError(DeltaruleError, RuntimeError):
    """A graph could not be turned into machine code.

    Cure: ``DELTARULE_BACKEND=numpy`` runs the same graph without a compiler.
    """


class ShapeError(DeltaruleError, ValueError):
    """Arrays given to a network do not fit it: the message gives both shapes, the layer and
    the cure."""


class DataError(DeltaruleError, ValueError):
    """Training data cannot be used as it is: not finite, of no rows, labels out of range,
    lengths that differ."""


class TableError(DataError):
    """A table cannot be read or does not have what was asked for: a missing column (the
    nearest name is offered), an empty file."""


class ModelFileError(DeltaruleError, ValueError):
    """A model file is corrupt, truncated, foreign, or of a newer version. The file is never
    changed by reading it."""


class WriteError(DeltaruleError, OSError):
    """A file cannot be written: its folder is missing or closed, or no space is left."""


class NonFiniteLoss(DeltaruleError, ArithmeticError):
    """The loss became NaN or infinite. The last good weights are kept; the message names the
    step and the first layer.

    Cause: a learning rate too large, targets or inputs on a scale of thousands, NaN in the data.
    Cure: scale the inputs and the target, lower the learning rate.
    """
