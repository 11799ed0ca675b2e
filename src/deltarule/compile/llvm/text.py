"""One function of LLVM assembly under construction: values, addresses, loops.

In: instructions. Out: text. Equal instructions without effects are written once (within the loops where they are known).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

BOOL, I8, I32, I64 = (np.dtype(name) for name in ("bool", "int8", "int32", "int64"))
F32, F64 = np.dtype("float32"), np.dtype("float64")
ATTRIBUTES = "#0"


class Value(NamedTuple):
    """A name or constant of the function: a scalar, or a vector of ``lanes``."""

    text: str
    dtype: np.dtype[Any] | None  # None: a pointer
    lanes: int = 1

    @property
    def type(self) -> str:
        """The LLVM type, say ``<8 x double>``."""
        return llvm_type(self.dtype, self.lanes)

    def __str__(self) -> str:
        return f"{self.type} {self.text}"


def scalar_type(dtype: np.dtype[Any]) -> str:
    """LLVM's word for one number."""
    if dtype in (F32, F64):
        return "float" if dtype == F32 else "double"
    return "i1" if dtype.kind == "b" else f"i{8 * dtype.itemsize}"


def llvm_type(dtype: np.dtype[Any] | None, lanes: int = 1) -> str:
    """LLVM's word for a number, a vector of numbers, or (None) a pointer."""
    if dtype is None:
        return "ptr"
    scalar = scalar_type(dtype)
    return scalar if lanes == 1 else f"<{lanes} x {scalar}>"


def number(value: Any, dtype: np.dtype[Any]) -> str:
    """A constant as LLVM writes it: floats by the bits of the double that they are."""
    if dtype.kind == "b":
        return "true" if value else "false"
    if dtype.kind in "iu":
        return str(int(np.array(int(value)).astype(dtype)) if int(value) < 2**63 else int(value))
    if dtype not in (F32, F64):
        return str(int.from_bytes(np.array(value, dtype).tobytes(), "little"))
    with np.errstate(over="ignore"):
        exact = float(dtype.type(value))
    return "0x" + struct.pack(">d", exact).hex().upper()


def constant(value: Any, dtype: np.dtype[Any], lanes: int = 1) -> Value:
    """The same number in every lane."""
    text = number(value, dtype)
    return Value(text if lanes == 1 else f"splat ({scalar_type(dtype)} {text})", dtype, lanes)


@dataclass
class Loop:
    """What the body of a loop knows: its index, and the values that go round."""

    index: str
    carried: list[Value]
    next: list[Value] = field(default_factory=list)
    results: list[Value] = field(default_factory=list)


class Function:
    """The text of one function.

    Parameters
    ----------
    parameters : sequence of str
        Names of its arguments, all pointers, without the percent sign.
    result : str
        ``void``, or ``i32`` for a function that can fail.
    """

    def __init__(self, parameters: Sequence[str], result: str = "void") -> None:
        self.parameters = parameters
        self.result = result
        self.lines: list[str] = []
        self.needs: set[str] = set()
        self.fails = False
        self._known: list[dict[str, str]] = [{}]
        self._count = 0
        self._block = "entry"

    def finish(self, name: str) -> str:
        """The whole definition, under a name."""
        arguments = ", ".join(f"ptr %{p}" for p in self.parameters)
        body = "\n".join(self.lines)
        last = "ret void" if self.result == "void" else "ret i32 0"
        last += "\nfail:\n  ret i32 1" if self.fails else ""
        return f"define internal {self.result} @{name}({arguments}) {ATTRIBUTES} {{\nentry:\n{body}\n  {last}\n}}\n"

    def fresh(self) -> str:
        """A name not used yet."""
        self._count += 1
        return f"%v{self._count}"

    def pure(self, instruction: str) -> str:
        """The name of an instruction's value; the same instruction is written once."""
        for known in self._known:
            if instruction in known:
                return known[instruction]
        name = self._known[-1][instruction] = self.now(instruction)
        return name

    def now(self, instruction: str) -> str:
        """The name of the value of an instruction that must stand here: a load, a call."""
        name = self.fresh()
        self.lines.append(f"  {name} = {instruction}")
        return name

    def do(self, instruction: str) -> None:
        """An instruction without a value."""
        self.lines.append(f"  {instruction}")

    def op(self, instruction: str, *args: Value, dtype: np.dtype[Any] | None = None) -> Value:
        """A value of an instruction on operands of one type, say ``fadd``."""
        first = args[0]
        text = self.pure(f"{instruction} {first.type} " + ", ".join(arg.text for arg in args))
        return Value(text, dtype or first.dtype, first.lanes)

    def convert(self, instruction: str, x: Value, dtype: np.dtype[Any]) -> Value:
        """``x`` converted, say by ``bitcast`` or ``sitofp``."""
        text = self.pure(f"{instruction} {x} to {llvm_type(dtype, x.lanes)}")
        return Value(text, dtype, x.lanes)

    def call(self, function: str, *args: Value, dtype: np.dtype[Any] | None = None) -> Value:
        """A value of a function without effects: an intrinsic, or one of the mathematics library."""
        first = args[0]
        result = llvm_type(dtype or first.dtype, first.lanes)
        self.needs.add(f"declare {result} @{function}({', '.join(arg.type for arg in args)})")
        text = self.pure(f"call {result} @{function}({', '.join(map(str, args))})")
        return Value(text, dtype or first.dtype, first.lanes)

    def intrinsic(self, name: str, *args: Value) -> Value:
        """A value of ``llvm.name``, overloaded on the type of its arguments."""
        first = args[0]
        scalar = f"{first.dtype.kind if first.dtype.kind == 'f' else 'i'}{8 * first.dtype.itemsize}"
        suffix = scalar if first.lanes == 1 else f"v{first.lanes}{scalar}"
        return self.call(f"llvm.{name}.{suffix}", *args)

    def select(self, condition: Value, a: Value, b: Value) -> Value:
        """a where the condition holds, else b."""
        return Value(self.pure(f"select {condition}, {a}, {b}"), a.dtype, a.lanes)

    def spread(self, x: Value, lanes: int) -> Value:
        """A scalar in every lane."""
        if x.lanes == lanes:
            return x
        vector = llvm_type(x.dtype, lanes)
        one = self.pure(f"insertelement {vector} poison, {x}, i64 0")
        return Value(self.shuffle(Value(one, x.dtype, lanes), [0] * lanes).text, x.dtype, lanes)

    def shuffle(self, x: Value, lanes: Sequence[int], y: Value | None = None) -> Value:
        """The given lanes of x (and of y after them)."""
        mask = "zeroinitializer" if not any(lanes) else "<" + ", ".join(f"i32 {i}" for i in lanes) + ">"
        other = f"{x.type} poison" if y is None else str(y)
        if len(lanes) == 1:
            return Value(self.pure(f"extractelement {x}, i64 {lanes[0]}"), x.dtype)
        return Value(self.pure(f"shufflevector {x}, {other}, <{len(lanes)} x i32> {mask}"), x.dtype, len(lanes))

    # Addresses: offsets are counted in elements, as texts of i64.

    def scaled(self, index: str, stride: int) -> str:
        """index * stride."""
        if stride == 0 or index == "0":
            return "0"
        if index.lstrip("-").isdigit():
            return str(int(index) * stride)
        return index if stride == 1 else self.pure(f"mul nsw i64 {index}, {stride}")

    def plus(self, a: str, b: str) -> str:
        """a + b."""
        if a == "0" or b == "0":
            return b if a == "0" else a
        if a.lstrip("-").isdigit():
            a, b = b, a
        return self.pure(f"add nsw i64 {a}, {b}")

    def address(self, pointer: str, offset: str, dtype: np.dtype[Any]) -> str:
        """Where the element at an offset lies."""
        if offset == "0":
            return pointer
        stored = "i8" if dtype.kind == "b" else scalar_type(dtype)
        return self.pure(f"getelementptr {stored}, ptr {pointer}, i64 {offset}")

    def load(self, pointer: str, offset: str, dtype: np.dtype[Any], lanes: int = 1) -> Value:
        """Elements that lie side by side. A bool is a byte in memory, one bit in a value."""
        at = self.address(pointer, offset, dtype)
        stored = I8 if dtype.kind == "b" else dtype
        text = self.now(f"load {llvm_type(stored, lanes)}, ptr {at}, align {stored.itemsize}")
        x = Value(text, stored, lanes)
        return self.op("icmp ne", x, constant(0, I8, lanes), dtype=dtype) if dtype.kind == "b" else x

    def store(self, x: Value, pointer: str, offset: str) -> None:
        """Write elements side by side."""
        at = self.address(pointer, offset, x.dtype)
        stored = self.convert("zext", x, I8) if x.dtype.kind == "b" else x
        self.do(f"store {stored}, ptr {at}, align {stored.dtype.itemsize}")

    # Blocks.

    def label(self, name: str) -> None:
        """Begin a block."""
        self.lines.append(f"{name}:")
        self._block = name

    def name_block(self) -> str:
        """A label not used yet."""
        self._count += 1
        return f"b{self._count}"

    @contextmanager
    def loop(self, trips: int | str, carried: Sequence[Value] = ()) -> Iterator[Loop]:
        """A loop of at least one trip. ``loop.next`` must be set where values are carried."""
        if trips == 1:
            once = Loop("0", list(carried))
            yield once
            once.results = once.next
            return
        before, start = self._block, self.name_block()
        self.do(f"br label %{start}")
        self.label(start)
        index = self.fresh()
        names = [self.fresh() for _ in carried]
        place = len(self.lines)
        inside = Loop(index, [Value(n, x.dtype, x.lanes) for n, x in zip(names, carried, strict=True)])
        self._known.append({})
        yield inside
        self._known.pop()
        after = self.fresh()
        head = [f"  {index} = phi i64 [ 0, %{before} ], [ {after}, %{self._block} ]"]
        for name, old, new in zip(names, carried, inside.next, strict=True):
            head.append(f"  {name} = phi {old.type} [ {old.text}, %{before} ], [ {new.text}, %{self._block} ]")
        self.lines[place:place] = head
        done, exit_block = self.fresh(), self.name_block()
        self.do(f"{after} = add nuw nsw i64 {index}, 1")
        self.do(f"{done} = icmp eq i64 {after}, {trips}")
        self.do(f"br i1 {done}, label %{exit_block}, label %{start}")
        self.label(exit_block)
        inside.results = inside.next

    @contextmanager
    def when(self, condition: str) -> Iterator[None]:
        """A block entered where the condition (an i1) holds."""
        inside, after = self.name_block(), self.name_block()
        self.do(f"br i1 {condition}, label %{inside}, label %{after}")
        self.label(inside)
        self._known.append({})
        yield
        self._known.pop()
        self.do(f"br label %{after}")
        self.label(after)

    def fail_if(self, condition: str) -> None:
        """Return 1 where the condition (an i1) holds."""
        self.fails = True
        go_on = self.name_block()
        self.do(f"br i1 {condition}, label %fail, label %{go_on}")
        self.label(go_on)

    def inside(self, index: Value, size: int, code: int) -> None:
        """Go on only where 0 <= index < size; else write what is wrong to the state, and return 1."""
        wrong, go_on = self.name_block(), self.name_block()
        bad = self.pure(f"icmp uge {index}, {size}")
        self.do(f"br i1 {bad}, label %{wrong}, label %{go_on}")
        self.label(wrong)
        for i, x in enumerate((constant(code, I64), index, constant(size, I64))):
            self.do(f"store {x}, ptr {self.address('%state', str(i), I64)}")
        self.do("ret i32 1")
        self.label(go_on)
