"""LLVM text for each kind of kernel, and the machine code that LLVM makes of it.

In: a ``Plan``. Out: ``write(plan)``, one module of LLVM assembly; ``emit(text)``, its object file;
``load(code)``, its functions, ready to be called. Every kind of kernel is written by one file; vectors
are explicit in the text, so that no optimizer has to find them.
"""
