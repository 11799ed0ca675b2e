"""One function of LLVM assembly under construction: values, addresses, loops.

In: instructions. Out: text. Equal instructions without effects are written once (within the loops
where they are known).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

BOOL, I8, I32, I64 = (np.dtype(name) for name in ("bool", "int8", "int32", "int64"))
F32, F64 = np.dtype("float32"), np.dtype("float64")
ATTRIBUTES = "#0"
SELDOM = '!prof !{!"branch_weights", i32 1, i32 4000}'


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


def stored(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """What a dtype is in memory: a bool is a byte."""
    return I8 if dtype.kind == "b" else dtype


def number(value: Any, dtype: np.dtype[Any]) -> str:
    """A constant as LLVM writes it: floats by the bits of the double that they are."""
    if dtype.kind == "b":
        return "true" if value else "false"
    if dtype.kind in "iu":
        return str(int(value) % 2 ** (8 * dtype.itemsize))
    with np.errstate(over="ignore"):
        exact = np.array(value, dtype)
        if dtype in (F32, F64):
            return "0x" + struct.pack(">d", float(exact)).hex().upper()
    return str(int.from_bytes(exact.tobytes(), "little"))


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
        self.name = ""  # where it is in a module
        self.lines: list[str] = []
        self.stack: list[str] = []
        self.needs: set[str] = set()
        self.scratch = 0  # bytes of memory of its own that it wants
        self.units = 0  # what it can be split into, among threads; 0: it runs whole
        self.coded = False  # whether it wants the number of its node, for errors
        self.fails = False
        self.stops = False
        self._known: list[dict[str, str]] = [{}]
        self._count = 0
        self.block = "entry"  # the label of the block that is written now

    def finish(self, name: str) -> str:
        """The whole definition, under a name."""
        parts = [f"ptr %{parameter}" for parameter in self.parameters]
        parts += ["i64 %code"] * self.coded
        parts += ["ptr %scratch"] * (self.scratch > 0)
        parts += ["i64 %lo", "i64 %hi"] * (self.units > 0)
        arguments = ", ".join(parts)
        head = f"define internal {self.result} @{name}({arguments}) {ATTRIBUTES} {{"
        last = "  ret void" if self.result == "void" else "  ret i32 0"
        fail = ["fail:", "  ret i32 1"] if self.fails else []
        stop = ["stop:", last] if self.stops else []
        return "\n".join([head, "entry:", *self.stack, *self.lines, last, *stop, *fail, "}", ""])

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

    def op(
        self,
        instruction: str,
        *args: Value,
        dtype: np.dtype[Any] | None = None,
    ) -> Value:
        """A value of an instruction on operands of one type, say ``fadd``."""
        first = args[0]
        text = self.pure(f"{instruction} {first.type} " + ", ".join(arg.text for arg in args))
        return Value(text, dtype or first.dtype, first.lanes)

    def convert(
        self,
        instruction: str,
        x: Value,
        dtype: np.dtype[Any],
    ) -> Value:
        """``x`` converted, say by ``bitcast`` or ``sitofp``."""
        text = self.pure(f"{instruction} {x} to {llvm_type(dtype, x.lanes)}")
        return Value(text, dtype, x.lanes)

    def call(self, function: str, *args: Value) -> Value:
        """A value of a function without effects, of the type of its arguments."""
        first = args[0]
        types = ", ".join(arg.type for arg in args)
        given = ", ".join(map(str, args))
        self.needs.add(f"declare {first.type} @{function}({types})")
        text = self.pure(f"call {first.type} @{function}({given})")
        return first._replace(text=text)

    def intrinsic(self, name: str, *args: Value) -> Value:
        """A value of ``llvm.name``, which is overloaded on the type of its arguments."""
        dtype, lanes = args[0].dtype, args[0].lanes
        assert dtype is not None
        letter = "f" if dtype.kind == "f" else "i"
        vector = "" if lanes == 1 else f"v{lanes}"
        return self.call(f"llvm.{name}.{vector}{letter}{8 * dtype.itemsize}", *args)

    def select(
        self,
        condition: Value,
        a: Value,
        b: Value,
    ) -> Value:
        """a where the condition holds, else b."""
        return a._replace(text=self.pure(f"select {condition}, {a}, {b}"))

    def insert(
        self,
        x: Value,
        number: Value,
        lane: int,
    ) -> Value:
        """x with one lane replaced."""
        return x._replace(text=self.pure(f"insertelement {x}, {number}, i64 {lane}"))

    def spread(self, x: Value, lanes: int) -> Value:
        """A number in every lane."""
        if x.lanes == lanes:
            return x
        one = self.insert(Value("poison", x.dtype, lanes), x, 0)
        return self.shuffle(one, [0] * lanes)

    def shuffle(
        self,
        x: Value,
        lanes: Sequence[int],
        y: Value | None = None,
    ) -> Value:
        """The given lanes of x (and of y after them)."""
        count = len(lanes)
        if count == 1:
            return Value(self.pure(f"extractelement {x}, i64 {lanes[0]}"), x.dtype)
        places = ", ".join(f"i32 {lane}" for lane in lanes)
        mask = f"<{count} x i32> " + (f"<{places}>" if any(lanes) else "zeroinitializer")
        other = f"{x.type} poison" if y is None else str(y)
        return Value(self.pure(f"shufflevector {x}, {other}, {mask}"), x.dtype, count)

    def widen(self, x: Value, lanes: int, filler: Any = 0) -> Value:
        """x with more lanes, in which a number stands."""
        assert x.dtype is not None
        if x.lanes == lanes:
            return x
        if x.lanes == 1:
            return self.insert(constant(filler, x.dtype, lanes), x, 0)
        places = [min(i, x.lanes) for i in range(lanes)]
        return self.shuffle(x, places, constant(filler, x.dtype, x.lanes))

    # Addresses: offsets are counted in elements, as texts of i64.

    def scaled(self, index: str, stride: int) -> str:
        """index * stride."""
        if stride == 0 or index == "0":
            return "0"
        if is_number(index):
            return str(int(index) * stride)
        return index if stride == 1 else self.pure(f"mul nsw i64 {index}, {stride}")

    def plus(self, a: str, b: str) -> str:
        """a + b."""
        if is_number(a):
            a, b = b, a
        if is_number(a):
            return str(int(a) + int(b))
        return a if b == "0" else self.pure(f"add nsw i64 {a}, {b}")

    def address(
        self,
        pointer: str,
        offset: str,
        dtype: np.dtype[Any],
    ) -> str:
        """Where the element at an offset lies."""
        if offset == "0":
            return pointer
        return self.pure(f"getelementptr {scalar_type(stored(dtype))}, ptr {pointer}, i64 {offset}")

    def load(
        self,
        pointer: str,
        offset: str,
        dtype: np.dtype[Any],
        lanes: int = 1,
    ) -> Value:
        """Elements that lie side by side. A bool is a byte in memory, one bit in a value."""
        at = self.address(pointer, offset, dtype)
        kind = stored(dtype)
        text = self.now(f"load {llvm_type(kind, lanes)}, ptr {at}, align {kind.itemsize}")
        x = Value(text, kind, lanes)
        if kind == dtype:
            return x
        return self.op("icmp ne", x, constant(0, kind, lanes), dtype=dtype)

    def store(
        self,
        x: Value,
        pointer: str,
        offset: str,
    ) -> None:
        """Write elements side by side."""
        assert x.dtype is not None
        at = self.address(pointer, offset, x.dtype)
        kind = stored(x.dtype)
        if kind != x.dtype:
            x = self.convert("zext", x, kind)
        self.do(f"store {x}, ptr {at}, align {kind.itemsize}")

    def room(self, count: int, dtype: np.dtype[Any]) -> str:
        """A pointer to memory on the stack, for some elements."""
        name = self.fresh()
        kind = f"[{count} x {scalar_type(stored(dtype))}]"
        self.stack.append(f"  {name} = alloca {kind}, align 64")
        return name

    def prefetch(
        self,
        pointer: str,
        offset: str,
        dtype: np.dtype[Any],
        write: bool = False,
    ) -> None:
        """Ask for an element before it is needed."""
        self.needs.add("declare void @llvm.prefetch.p0(ptr, i32, i32, i32)")
        at = self.address(pointer, offset, dtype)
        self.do(f"call void @llvm.prefetch.p0(ptr {at}, i32 {int(write)}, i32 1, i32 1)")

    # Blocks.

    def label(self, name: str) -> None:
        """Begin a block."""
        self.lines.append(f"{name}:")
        self.block = name

    @contextmanager
    def branch(self, name: str) -> Iterator[None]:
        """A block whose values are known in it only."""
        self.label(name)
        self._known.append({})
        yield
        self._known.pop()

    def name_block(self) -> str:
        """A label not used yet."""
        self._count += 1
        return f"b{self._count}"

    @contextmanager
    def loop(self, trips: int | str, carried: Sequence[Value] = ()) -> Iterator[Loop]:
        """A loop of at least one trip, their number known now or a value's name.

        ``loop.next`` must be set where values are carried.
        """
        if trips == 1:
            once = Loop("0", list(carried))
            yield once
            once.results = once.next
            return
        before, start, after = self.block, self.name_block(), self.name_block()
        self.do(f"br label %{start}")
        self.label(start)
        top = len(self.lines)
        loop = Loop(self.fresh(), [x._replace(text=self.fresh()) for x in carried])
        self._known.append({})
        yield loop
        self._known.pop()
        index = Value(loop.index, I64)
        following = Value(self.now(f"add nuw nsw {index}, 1"), I64)
        done = self.now(f"icmp eq {following}, {trips}")
        values = zip(
            [index, *loop.carried],
            [constant(0, I64), *carried],
            [following, *loop.next],
            strict=True,
        )
        self.lines[top:top] = [
            f"  {x.text} = phi {x.type} [ {old.text}, %{before} ], [ {new.text}, %{self.block} ]"
            for x, old, new in values
        ]
        self.do(f"br i1 {done}, label %{after}, label %{start}")
        self.label(after)
        loop.results = loop.next

    @contextmanager
    def repeat(self, carried: Sequence[Value]) -> Iterator[tuple[Loop, str]]:
        """A loop that is left at ``go_on_if``, and the label behind it; ``loop.carried`` holds there."""
        before, start, after = self.block, self.name_block(), self.name_block()
        self.do(f"br label %{start}")
        self.label(start)
        top = len(self.lines)
        loop = Loop("", [x._replace(text=self.fresh()) for x in carried])
        self._known.append({})
        yield loop, after
        self._known.pop()
        self.lines[top:top] = [
            f"  {x.text} = phi {x.type} [ {old.text}, %{before} ], [ {new.text}, %{self.block} ]"
            for x, old, new in zip(loop.carried, carried, loop.next, strict=True)
        ]
        self.do(f"br label %{start}")
        self.label(after)

    def go_on_if(self, condition: str, otherwise: str) -> None:
        """Go to a label where the condition (an i1) does not hold."""
        go_on = self.name_block()
        self.do(f"br i1 {condition}, label %{go_on}, label %{otherwise}")
        self.label(go_on)

    @contextmanager
    def between(self, low: str, high: str) -> Iterator[str]:
        """A loop whose index runs from ``low`` up to ``high``, which is left out; there may be no trip."""
        start, after = self.name_block(), self.name_block()
        some = self.now(f"icmp slt i64 {low}, {high}")
        before = self.block
        self.do(f"br i1 {some}, label %{start}, label %{after}")
        self.label(start)
        top, index = len(self.lines), self.fresh()
        self._known.append({})
        yield index
        self._known.pop()
        following = self.now(f"add nsw i64 {index}, 1")
        more = self.now(f"icmp slt i64 {following}, {high}")
        pairs = f"[ {low}, %{before} ], [ {following}, %{self.block} ]"
        self.lines.insert(top, f"  {index} = phi i64 {pairs}")
        self.do(f"br i1 {more}, label %{start}, label %{after}")
        self.label(after)

    @contextmanager
    def when(self, condition: str) -> Iterator[None]:
        """A block that is run only where the condition (an i1) holds."""
        inside, after = self.name_block(), self.name_block()
        self.do(f"br i1 {condition}, label %{inside}, label %{after}")
        with self.branch(inside):
            yield
        self.do(f"br label %{after}")
        self.label(after)

    @contextmanager
    def part(self, split: bool, first: int, count: int) -> Iterator[str]:
        """A loop over ``count`` units, those from ``first`` on of the split; gives the index from 0.

        Where it is split, only over those of them that lie from ``%lo`` up to ``%hi``.
        """
        if not split:
            with self.loop(count) as loop:
                yield loop.index
        elif first == 0:
            high = self.pure(f"call i64 @llvm.smin.i64(i64 %hi, i64 {count})")
            self.needs.add("declare i64 @llvm.smin.i64(i64, i64)")
            with self.between("%lo", high) as index:
                yield index
        else:
            assert count == 1, "units after the first stretch come one by one"
            begun = self.pure(f"icmp sle i64 %lo, {first}")
            open_ = self.pure(f"icmp sgt i64 %hi, {first}")
            with self.when(self.pure(f"and i1 {begun}, {open_}")):
                yield "0"

    def rarely(
        self,
        condition: Value,
        usual: Value,
        other: Callable[[], Value],
    ) -> Value:
        """``usual``, but ``other()`` where a condition holds; computed only if it does in some lane."""
        before, start, after = self.block, self.name_block(), self.name_block()
        some = condition.text
        if condition.lanes > 1:
            word = f"llvm.vector.reduce.or.v{condition.lanes}i1"
            self.needs.add(f"declare i1 @{word}({condition.type})")
            some = self.pure(f"call i1 @{word}({condition})")
        self.do(f"br i1 {some}, label %{start}, label %{after}, {SELDOM}")
        self.label(start)
        self._known.append({})
        mixed = self.select(condition, other(), usual)
        self._known.pop()
        last = self.block
        self.do(f"br label %{after}")
        self.label(after)
        choices = f"[ {usual.text}, %{before} ], [ {mixed.text}, %{last} ]"
        return usual._replace(text=self.now(f"phi {usual.type} {choices}"))

    def stop_if(self, condition: str) -> None:
        """Return where the condition (an i1) holds."""
        self.stops = True
        go_on = self.name_block()
        self.do(f"br i1 {condition}, label %stop, label %{go_on}")
        self.label(go_on)

    def fail_if(self, condition: str) -> None:
        """Return 1 where the condition (an i1) holds."""
        self.fails = True
        go_on = self.name_block()
        self.do(f"br i1 {condition}, label %fail, label %{go_on}")
        self.label(go_on)

    def inside(
        self,
        index: Value,
        size: int,
    ) -> None:
        """Go on only where 0 <= index < size; else fail, and write to the state what is wrong.

        Of several threads that find something, the first to say so is heard.
        """
        wrong, say, go_on = (self.name_block() for _ in range(3))
        bad = self.now(f"icmp uge {index}, {size}")
        self.do(f"br i1 {bad}, label %{wrong}, label %{go_on}")
        self.label(wrong)
        self.coded = True
        pair = self.now("cmpxchg ptr %state, i64 0, i64 %code acq_rel monotonic, align 8")
        first = self.now(f"extractvalue {{ i64, i1 }} {pair}, 1")
        self.do(f"br i1 {first}, label %{say}, label %fail")
        self.label(say)
        for i, x in enumerate((index, constant(size, I64)), 1):
            place = self.now(f"getelementptr i64, ptr %state, i64 {i}")
            self.do(f"store {x}, ptr {place}, align 8")
        self.fails = True
        self.do("br label %fail")
        self.label(go_on)


def is_number(offset: str) -> bool:
    """Whether an offset is known now."""
    return not offset.startswith("%")
