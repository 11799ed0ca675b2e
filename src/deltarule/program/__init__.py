"""What is computed: typed graphs of primitives, and the interpreter that is their reference.

In: nothing from other floors but the errors. Out: ``ArrayType``, ``Primitive`` and its table, ``Graph``,
``interpret``.
"""

from deltarule.program.graph import Graph, Node, Origin
from deltarule.program.interpret import interpret, walk
from deltarule.program.primitive import TABLE, Primitive, lookup, primitives
from deltarule.program.types import ArrayType, type_of

__all__ = [
    "TABLE",
    "ArrayType",
    "Graph",
    "Node",
    "Origin",
    "Primitive",
    "interpret",
    "lookup",
    "primitives",
    "type_of",
    "walk",
]
