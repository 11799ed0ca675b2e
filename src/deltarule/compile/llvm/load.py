"""Machine code from LLVM text, loaded into this process. The only file that knows llvmlite.

In: the text of a module. Out: an object file; and of that, ``Library``: functions, valid as long as
somebody holds one of them.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from deltarule.compile.llvm.addresses import address
from deltarule.errors import CompileError

ENTRY = "deltarule_run"  # what Python calls
LOCK = threading.RLock()  # LLVM's global context is for one thread at a time


@dataclass(frozen=True, slots=True)
class Processor:
    """What machine code is made for.

    Attributes
    ----------
    triple, name, features : str
        LLVM's words for system, processor and instruction sets.
    vector_bytes, registers : int
        Size and number of the vector registers.
    """

    triple: str
    name: str
    features: str
    vector_bytes: int
    registers: int


@lru_cache(maxsize=1)
def llvm() -> Any:
    """llvmlite's binding, imported when it is first needed."""
    try:
        from llvmlite import binding
    except ImportError as error:
        raise CompileError(
            f"compiling needs llvmlite, which cannot be imported ({error}); install it, or set "
            "DELTARULE_BACKEND=numpy to interpret"
        ) from error
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    return binding


@lru_cache(maxsize=1)
def this_processor() -> Processor:
    """This machine, by its features: a virtual machine's name for it may be wrong."""
    binding = llvm()
    have = binding.get_host_cpu_features()
    size, registers = 16, 16
    if have.get("avx512f") and have.get("avx512vl"):
        size, registers = 64, 32
    elif have.get("avx"):
        size, registers = 32, 16
    elif have.get("neon"):
        size, registers = 16, 32
    name = binding.get_host_cpu_name()
    return Processor(binding.get_process_triple(), name, have.flatten(), size, registers)


@lru_cache(maxsize=1)
def version() -> str:
    """Of LLVM and of llvmlite."""
    import llvmlite

    numbers = ".".join(map(str, llvm().llvm_version_info))
    return f"LLVM {numbers} in llvmlite {llvmlite.__version__}"


def machine(processor: Processor, for_loading: bool = False) -> Any:
    """LLVM's code generator for a processor."""
    target = llvm().Target.from_triple(processor.triple)
    return target.create_target_machine(
        cpu=processor.name,
        features=processor.features,
        opt=2,
        reloc="default" if for_loading else "pic",
        codemodel="jitdefault" if for_loading else "default",
        jit=for_loading,
    )


@lru_cache(maxsize=8)
def generator(processor: Processor) -> Any:
    """The code generator, made once."""
    return machine(processor)


def parsed(text: str, processor: Processor) -> Any:
    """A module of LLVM's own."""
    try:
        module = llvm().parse_assembly(text)
    except RuntimeError as error:
        raise CompileError(f"LLVM does not accept the text: {error}") from error
    module.triple = processor.triple
    module.data_layout = str(generator(processor).target_data)
    return module


def assembly(text: str, processor: Processor) -> str:
    """The module in the processor's assembly language."""
    with LOCK:
        return str(generator(processor).emit_assembly(parsed(text, processor)))


def emit(text: str, processor: Processor) -> bytes:
    """The module as an object file."""
    with LOCK:
        return bytes(generator(processor).emit_object(parsed(text, processor)))


class Library:
    """Loaded machine code, freed with the object.

    Parameters
    ----------
    code : bytes
        An object file.
    exports, imports : iterable of str
        Functions wanted of it, and functions of the C library and of SciPy that it calls.
    """

    def __init__(
        self,
        code: bytes,
        exports: Iterable[str],
        imports: Iterable[str],
    ) -> None:
        binding = llvm()
        builder = binding.JITLibraryBuilder()
        builder.add_object_img(code)
        builder.add_current_process()
        for name in imports:
            builder.import_symbol(name, address(name))
        for name in exports:
            builder.export_symbol(name)
        with LOCK:
            self.engine = binding.create_lljit_compiler(machine(this_processor(), for_loading=True))
            self.code = builder.link(self.engine, "program")

    def function(
        self,
        name: str,
        result: Any,
        *args: Any,
    ) -> Any:
        """A C function, which keeps the library alive."""
        found: Any = ctypes.CFUNCTYPE(result, *args)(self.code[name])
        found.library = self
        return found


def load(code: bytes, exports: Iterable[str], imports: Iterable[str]) -> Library:
    """The functions of an object file, ready to be called."""
    return Library(code, exports, imports)
