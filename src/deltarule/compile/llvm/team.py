"""Threads that run one program together: who one is, and where all wait for each other.

In: the control block that all share, and each thread's own block. Out: the barrier's text, and calls of
it. Waiting is some microseconds of looking, then giving the processor away at every look: a thread
that has no core is waited for without taking one. The last to arrive tells all whether someone failed, so
that all leave together.
"""

from __future__ import annotations

from deltarule.compile.llvm.text import Function

LINE = 64  # bytes that two threads had better not share
ARRIVED, ROUND, FAILED = LINE, 2 * LINE, 2 * LINE + 8  # in the control block, after the state
CONTROL = 3 * LINE  # its bytes
MEMBER, MEMBERS = 0, 8  # in a thread's own block: its number, and how many there are
SCRATCH = LINE  # where its memory begins
LOOKS = 2048  # who gives a core to a busy process sooner than that waits for milliseconds
YIELD = "sched_yield"
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
  %result = getelementptr i8, ptr %state, i64 {FAILED}
  %now = load atomic i64, ptr %round acquire, align 8
  %before = atomicrmw add ptr %arrived, i64 1 acq_rel
  %count = add i64 %before, 1
  %last = icmp eq i64 %count, %members
  br i1 %last, label %open, label %wait
open:
  store atomic i64 0, ptr %arrived monotonic, align 8
  %bad = call i32 @failed(ptr %state)
  store i32 %bad, ptr %result, align 4
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


def barrier(triple: str) -> str:
    """The text of the barrier, and what it declares."""
    declaration, pause = PAUSES.get(triple.split("-")[0], ("", ""))
    return "\n".join([BARRIER.replace("PAUSE", pause), declaration, f"declare i32 @{YIELD}()", ""])


def meet(f: Function) -> None:
    """Wait until all threads are here; return 1 where one of them has failed until then."""
    failed = f.now("call i32 @meet(ptr %state, ptr %own)")
    f.fail_if(f.now(f"icmp ne i32 {failed}, 0"))
