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
LETTERS = {
    "double": "d",
    "Py_ssize_t": "i",
    "double *": "p",
    "int __pyx_skip_dispatch": "s",
    "struct": "n",  # of optional arguments
}
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
        module, _, word = name.partition(".")
        owner = f"SciPy's {MODULES[module]}" if word else "the C library of this system"
        raise CompileError(
            f"{owner} has no function {word or name}; DELTARULE_BACKEND=numpy interprets"
        )
    return found[0]


def declaration(name: str) -> str:
    """How SciPy declares a function in C, say ``double (double, int __pyx_skip_dispatch)``."""
    found = _found(name)
    return "" if found is None else found[1]


def kinds_of(name: str) -> str:
    """A letter for each argument of a special function; empty where there is no function.

    A number is ``d`` or, an integer, ``i``; at ``p`` goes a result; of ``s`` and ``n`` callers give zeros.
    """
    return letters(declaration(name))


def letters(declared: str) -> str:
    """Those of a declaration; empty where there is something else in it."""
    result, _, inside = declared.rstrip(")").partition(" (")
    words = (word.partition(" __pyx_fuse")[0] for word in inside.split(", "))
    found = [LETTERS.get(word, "") for word in words]
    return "".join(found) if result in ("double", "void") and all(found) else ""


def is_known(name: str) -> bool:
    """Whether there is such a function."""
    return _found(name) is not None


@cache
def _found(name: str) -> tuple[int, str] | None:
    """Address and declaration of a function; None where there is none."""
    module, _, word = name.partition(".")
    return of_scipy(module, word) if word else of_c(name)


def of_c(name: str) -> tuple[int, str] | None:
    """A function of the C library."""
    path = "msvcrt" if sys.platform == "win32" else ctypes.util.find_library("m")
    for library in (ctypes.CDLL(path), ctypes.CDLL(None)):
        if hasattr(library, name):
            return ctypes.cast(getattr(library, name), ctypes.c_void_p).value or 0, ""
    return None


def of_scipy(module: str, word: str) -> tuple[int, str] | None:
    """A function in one of SciPy's tables, and of several variants of a special one that of real numbers.

    ``eval_legendre`` is the variant of floats where there is one, ``eval_legendre.id`` that of an integer
    and a float.
    """
    try:
        capsules: dict[str, Any] = vars(import_module(MODULES[module]))["__pyx_capi__"]
    except (ImportError, KeyError):
        return None
    if module != "special":
        return opened(capsules[word]) if word in capsules else None
    word, _, wanted = word.partition(".")
    variants: dict[str, tuple[int, str]] = {}
    for key, capsule in capsules.items():
        if FUSED.sub("", key) == word:
            found = opened(capsule)
            variants[letters(found[1]).rstrip("psn")] = found
    variants.pop("", None)
    first = min(variants, key=lambda kinds: kinds.count("i"), default="")
    return variants.get(wanted or first)


def opened(capsule: Any) -> tuple[int, str]:
    """The pointer in a capsule, and its declaration."""
    name = _declaration(capsule)
    return _pointer(capsule, name), name.decode()
