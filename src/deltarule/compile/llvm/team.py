"""Threads that run one program together: who one is, and where all wait for each other.

In: the control block that all share, and each thread's own block. Out: the barrier's text, and calls of
it. Waiting is some microseconds of looking, then giving the processor away at every look: a thread
that has no core is waited for without taking one. The last to arrive tells all whether someone failed, so
that all leave together.

Between the steps of a loop the first thread looks at the clock: where the steps of a while have taken longer
than it would take alone (as many times the fastest step as there are threads), other programs want the cores;
then it sends the others away and goes on by itself, to the same bits.
"""

from __future__ import annotations

from deltarule.compile.blocks import (
    ARRIVED,
    COUNTED,
    FASTEST,
    LAST,
    MEMBERS,
    OUTCOME,
    ROUND,
    SPENT,
    WISH,
)
from deltarule.compile.llvm.text import Function

PART = 2  # the outcome of a meeting after which the first thread goes on alone; 1: someone failed
WHILE = 10_000_000  # nanoseconds over which steps are counted
LOOKS = 2048  # who gives a core to a busy process sooner than that waits for milliseconds
YIELD = "sched_yield"
CLOCK, MONOTONIC = "clock_gettime", 1
PAUSES = {
    "x86_64": ("declare void @llvm.x86.sse2.pause()", "call void @llvm.x86.sse2.pause()"),
    "aarch64": ("declare void @llvm.aarch64.hint(i32)", "call void @llvm.aarch64.hint(i32 1)"),
}
PAUSES["arm64"] = PAUSES["aarch64"]
PAUSES["amd64"] = PAUSES["x86_64"]

BARRIER = f"""define internal i32 @meet(ptr %state, ptr %own) #0 {{
entry:
  %place = getelementptr i8, ptr %own, i64 {MEMBERS}
  %members = load i64, ptr %place, align 8
  %alone = icmp eq i64 %members, 1
  br i1 %alone, label %only, label %arrive
only:
  %mine = call i32 @failed(ptr %state)
  ret i32 %mine
arrive:
  %arrived = getelementptr i8, ptr %state, i64 {ARRIVED}
  %round = getelementptr i8, ptr %state, i64 {ROUND}
  %result = getelementptr i8, ptr %state, i64 {OUTCOME}
  %now = load atomic i64, ptr %round acquire, align 8
  %before = atomicrmw add ptr %arrived, i64 1 acq_rel
  %count = add i64 %before, 1
  %last = icmp eq i64 %count, %members
  br i1 %last, label %open, label %wait
open:
  store atomic i64 0, ptr %arrived monotonic, align 8
  %bad = call i32 @failed(ptr %state)
  %wish = getelementptr i8, ptr %state, i64 {WISH}
  %wished = load i32, ptr %wish, align 4
  store i32 0, ptr %wish, align 4
  %outcome = or i32 %bad, %wished
  store i32 %outcome, ptr %result, align 4
  %next = add i64 %now, 1
  store atomic i64 %next, ptr %round release, align 8
  br label %done
wait:
  %looks = phi i64 [ 0, %arrive ], [ %more, %pause ], [ %looks, %yield ]
  %seen = load atomic i64, ptr %round acquire, align 8
  %same = icmp eq i64 %seen, %now
  br i1 %same, label %again, label %done
again:
  %more = add i64 %looks, 1
  %patient = icmp slt i64 %looks, {LOOKS}
  br i1 %patient, label %pause, label %yield
pause:
  PAUSE
  br label %wait
yield:
  %ignored = call i32 @{YIELD}()
  br label %wait
done:
  %found = load i32, ptr %result, align 4
  ret i32 %found
}}

define internal i32 @failed(ptr %state) #0 {{
  %code = load i64, ptr %state, align 8
  %some = icmp ne i64 %code, 0
  %word = zext i1 %some to i32
  ret i32 %word
}}
"""


AGAIN = f"""define internal i32 @meet_again(ptr %state, ptr %own) #0 {{
entry:
  %time = alloca [2 x i64], align 8
  %place = getelementptr i8, ptr %own, i64 {MEMBERS}
  %members = load i64, ptr %place, align 8
  %member = load i64, ptr %own, align 8
  %wish = getelementptr i8, ptr %state, i64 {WISH}
  %alone = icmp eq i64 %members, 1
  br i1 %alone, label %meet, label %several
several:
  %first = icmp eq i64 %member, 0
  br i1 %first, label %look, label %meet
look:
  %ignored = call i32 @{CLOCK}(i32 {MONOTONIC}, ptr %time)
  %seconds = load i64, ptr %time, align 8
  %rest.place = getelementptr i8, ptr %time, i64 8
  %rest = load i64, ptr %rest.place, align 8
  %whole = mul i64 %seconds, 1000000000
  %now = add i64 %whole, %rest
  %last.place = getelementptr i8, ptr %own, i64 {LAST}
  %spent.place = getelementptr i8, ptr %own, i64 {SPENT}
  %steps.place = getelementptr i8, ptr %own, i64 {COUNTED}
  %fastest.place = getelementptr i8, ptr %own, i64 {FASTEST}
  %last = load i64, ptr %last.place, align 8
  store i64 %now, ptr %last.place, align 8
  %begins = icmp eq i64 %last, 0
  br i1 %begins, label %meet, label %count
count:
  %step = sub i64 %now, %last
  %record = load i64, ptr %fastest.place, align 8
  %fastest = call i64 @llvm.umin.i64(i64 %step, i64 %record)
  store i64 %fastest, ptr %fastest.place, align 8
  %before = load i64, ptr %steps.place, align 8
  %steps = add i64 %before, 1
  store i64 %steps, ptr %steps.place, align 8
  %sum = load i64, ptr %spent.place, align 8
  %spent = add i64 %sum, %step
  store i64 %spent, ptr %spent.place, align 8
  %long = icmp ugt i64 %spent, {WHILE}
  br i1 %long, label %judge, label %meet
judge:
  %ideal = mul i64 %fastest, %steps
  %bearable = mul i64 %ideal, %members
  %slow = icmp ugt i64 %spent, %bearable
  %word = select i1 %slow, i32 {PART}, i32 0
  store i32 %word, ptr %wish, align 4
  store i64 0, ptr %spent.place, align 8
  store i64 0, ptr %steps.place, align 8
  br label %meet
meet:
  %outcome = call i32 @meet(ptr %state, ptr %own)
  %part = icmp eq i32 %outcome, {PART}
  br i1 %part, label %apart, label %done
done:
  ret i32 %outcome
apart:
  store i64 1, ptr %place, align 8
  %other = icmp ne i64 %member, 0
  %away = zext i1 %other to i32
  ret i32 %away
}}

declare i64 @llvm.umin.i64(i64, i64)
declare i32 @{CLOCK}(i32, ptr)
"""


def barrier(triple: str) -> str:
    """The text of the barrier, and what it declares."""
    declaration, pause = PAUSES.get(triple.split("-")[0], ("", ""))
    text = BARRIER.replace("PAUSE", pause)
    return "\n".join([text, AGAIN, declaration, f"declare i32 @{YIELD}()", ""])


def meet(f: Function, watched: bool = False) -> None:
    """Wait until all threads are here; return 1 where one of them has failed until then.

    With ``watched``, after a step of the loop that is timed, those that are sent away return 1, too.
    """
    failed = f.now(f"call i32 @{'meet_again' if watched else 'meet'}(ptr %state, ptr %own)")
    f.fail_if(f.now(f"icmp ne i32 {failed}, 0"))
