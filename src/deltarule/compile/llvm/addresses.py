"""Where functions are that machine code calls: the C library's, and those of SciPy that have a C pointer.

In: a name as machine code has it: ``fmod``, ``special.gammaln``, ``lapack.dpotrf``, ``blas.dtrsm``. Out: an
address, and for SciPy's the C declaration. SciPy is imported when the first of its functions is wanted.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import re
import sys
from functools import cache
from importlib import import_module
from typing import Any

from deltarule.errors import CompileError

MODULES = {  # SciPy's tables of capsules: a pointer each, named by its declaration
    "special": "scipy.special.cython_special",
    "lapack": "scipy.linalg.cython_lapack",
    "blas": "scipy.linalg.cython_blas",
}
FUSED = re.compile(r"__pyx_fuse_\d+(?:_\d+)*")  # before the name of one of several variants
OF_DOUBLES = re.compile(r"double \((double, )+int __pyx_skip_dispatch\)")
_declaration = ctypes.PYFUNCTYPE(ctypes.c_char_p, ctypes.py_object)(
    ("PyCapsule_GetName", ctypes.pythonapi)
)
_pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(
    ("PyCapsule_GetPointer", ctypes.pythonapi)
)


def address(name: str) -> int:
    """Where a function is.

    Raises
    ------
    CompileError
        Where there is no such function.
    """
    found = _found(name)
    if found is None:
        module, _, word = name.rpartition(".")
        owner = f"SciPy's {MODULES[module]}" if module else "the C library of this system"
        raise CompileError(f"{owner} has no function {word}; DELTARULE_BACKEND=numpy interprets")
    return found[0]


def declaration(name: str) -> str:
    """How SciPy declares a function in C, say ``double (double, int __pyx_skip_dispatch)``."""
    found = _found(name)
    return "" if found is None else found[1]


def is_known(name: str) -> bool:
    """Whether there is such a function."""
    return _found(name) is not None


@cache
def _found(name: str) -> tuple[int, str] | None:
    """Address and declaration of a function; None where there is none."""
    module, _, word = name.rpartition(".")
    return of_scipy(module, word) if module else of_c(name)


def of_c(name: str) -> tuple[int, str] | None:
    """A function of the C library."""
    path = "msvcrt" if sys.platform == "win32" else ctypes.util.find_library("m")
    for library in (ctypes.CDLL(path), ctypes.CDLL(None)):
        if hasattr(library, name):
            return ctypes.cast(getattr(library, name), ctypes.c_void_p).value or 0, ""
    return None


def of_scipy(module: str, word: str) -> tuple[int, str] | None:
    """A function in one of SciPy's tables; of several variants of a special function that of doubles."""
    try:
        capsules: dict[str, Any] = vars(import_module(MODULES[module]))["__pyx_capi__"]
    except (ImportError, KeyError):
        return None
    for key, capsule in capsules.items():
        if FUSED.sub("", key) != word:
            continue
        name = _declaration(capsule)
        if module != "special" or OF_DOUBLES.fullmatch(name.decode()):
            return _pointer(capsule, name), name.decode()
    return None
