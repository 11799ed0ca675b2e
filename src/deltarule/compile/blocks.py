"""Where things lie in the blocks of memory that Python and machine code share, in bytes.

In: nothing. Out: offsets. One control block serves a call: what failed, and where its threads meet. Each
thread has a block of its own: who it is, what the clock said, then its scratch memory.
"""

from __future__ import annotations

ALIGNMENT = 64
LINE = 64  # bytes that two threads had better not share

# The control block: code of a failed node, index, size; then
CALLBACK = 24  # address of the function that calls NumPy
TRIPS = 32  # steps of an open-ended loop
ARRIVED = LINE  # threads that wait
ROUND, OUTCOME = 2 * LINE, 2 * LINE + 8  # meetings so far, and how the last one ended
WISH = 2 * LINE + 16  # what the first thread wants it to end with
CONTROL = 3 * LINE

# A thread's own block:
MEMBER, MEMBERS = 0, 8  # its number, and how many there are
TIMES = 16  # address of its table of kernels' times
LAST, FASTEST, SPENT, COUNTED = 24, 32, 40, 48  # ns: last look, fastest step, all COUNTED
SCRATCH = LINE
