"""A graph becomes machine code: rewrite passes, then a plan (kernels and buffers), then LLVM text, then a loaded function.

In: a closed ``Graph`` of any primitives. Out: ``build(graph) -> Executable``, called with arrays and giving arrays; and
``compile(f)``, the same for a Python function. ``DELTARULE_BACKEND=numpy`` interprets instead, behind the same names.
"""

from deltarule.compile.program import Executable, build

__all__ = ["Executable", "build"]
