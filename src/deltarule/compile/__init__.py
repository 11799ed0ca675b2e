"""A graph becomes machine code: rewrites, a plan of kernels and buffers, LLVM text, loaded code.

In: a closed ``Graph``, or a Python function. Out: ``build(graph)`` and ``compile(function)``, called with
arrays and giving arrays. ``DELTARULE_BACKEND=numpy`` interprets instead, behind the same names.
"""

from deltarule.compile.form import Form
from deltarule.compile.jit import Compiled, compile
from deltarule.compile.program import Executable, build

__all__ = ["Compiled", "Executable", "Form", "build", "compile"]
