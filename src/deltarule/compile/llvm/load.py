"""Machine code from LLVM text, loaded into this process. The only file that knows llvmlite.

In: the text of a module. Out: ``Library``: addresses of functions, valid as long as the object lives.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import sys
import threading
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from deltarule.errors import CompileError

_lock = threading.RLock()  # LLVM's global context is for one thread at a time


@dataclass(frozen=True, slots=True)
class Processor:
    """What the machine code is made for."""

    triple: str
    name: str
    features: str
    vector_bytes: int
    registers: int


@lru_cache(maxsize=1)
def _binding() -> Any:
    """llvmlite's binding, imported when first needed."""
    try:
        from llvmlite import binding
    except ImportError as error:
        raise CompileError(
            f"compiling needs llvmlite, which cannot be imported ({error}); install it, or set DELTARULE_BACKEND=numpy"
        ) from error
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    return binding


@lru_cache(maxsize=1)
def processor() -> Processor:
    """This machine, by its features (a virtual machine's name for it may be wrong)."""
    binding = _binding()
    have = binding.get_host_cpu_features()
    width, registers = 16, 16
    if have.get("avx512f") and have.get("avx512vl"):
        width, registers = 64, 32
    elif have.get("avx"):
        width, registers = 32, 16
    elif have.get("neon"):
        width, registers = 16, 32
    return Processor(
        binding.get_process_triple(), binding.get_host_cpu_name(), have.flatten(), width, registers
    )


@lru_cache(maxsize=1)
def _machine() -> Any:
    """LLVM's code generator for this processor."""
    at = processor()
    target = _binding().Target.from_triple(at.triple)
    return target.create_target_machine(
        cpu=at.name, features=at.features, opt=2, reloc="pic", codemodel="default"
    )


def _parse(text: str) -> Any:
    binding = _binding()
    try:
        module = binding.parse_assembly(text)
    except RuntimeError as error:
        raise CompileError(f"LLVM does not accept the text: {error}") from error
    module.triple = processor().triple
    module.data_layout = str(_machine().target_data)
    return module


def assembly(text: str) -> str:
    """The module in the processor's assembly language."""
    with _lock:
        return str(_machine().emit_assembly(_parse(text)))


def emit(text: str) -> bytes:
    """The module as an object file."""
    with _lock:
        return bytes(_machine().emit_object(_parse(text)))


@lru_cache(maxsize=None)
def _library_address(name: str) -> int:
    """Address of a function of the C mathematics library."""
    path = "msvcrt" if sys.platform == "win32" else ctypes.util.find_library("m")
    return ctypes.cast(getattr(ctypes.CDLL(path), name), ctypes.c_void_p).value or 0


class Library:
    """Loaded machine code, freed with the object.

    Parameters
    ----------
    code : bytes
        An object file.
    exports : str
        The functions wanted.
    imports : sequence of str
        Functions of the mathematics library that it calls.
    """

    def __init__(self, code: bytes, exports: tuple[str, ...], imports: tuple[str, ...]) -> None:
        binding = _binding()
        with _lock:
            builder = binding.JITLibraryBuilder().add_object_img(code)
            for name in imports:
                builder.import_symbol(name, _library_address(name))
            builder.add_current_process()
            for name in exports:
                builder.export_symbol(name)
            self._engine = binding.create_lljit_compiler(_machine_for_loading())
            self._tracker = builder.link(self._engine, "program")
        self.addresses = {name: self._tracker[name] for name in exports}

    def function(self, name: str, result: Any, *args: Any) -> Any:
        """A C function, which keeps the library alive."""
        f = ctypes.CFUNCTYPE(result, *args)(self.addresses[name])
        f._library = self
        return f


def _machine_for_loading() -> Any:
    at = processor()
    target = _binding().Target.from_triple(at.triple)
    return target.create_target_machine(cpu=at.name, features=at.features, codemodel="jitdefault", jit=True)


def load(text: str, exports: tuple[str, ...], imports: tuple[str, ...] = ()) -> Library:
    """The functions of a module of LLVM assembly, ready to be called."""
    return Library(emit(text), exports, imports)
