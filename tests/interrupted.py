"""Calls that a signal interrupts, each at another moment. Out: exit status 0."""

from __future__ import annotations

import faulthandler
import signal

from compiling import native
from products import product_program_of
from sharing import all_split, assert_same_bits, real_args

CALLS = 3000


def interrupt(number, frame):
    raise KeyboardInterrupt


def main() -> None:
    faulthandler.dump_traceback_later(30, exit=True)
    graph = product_program_of(3).graph
    with all_split(3):
        code = native(graph)
    args = real_args(graph)
    wanted = code(args, frozenset())
    signal.signal(signal.SIGALRM, interrupt)
    heard = 0
    for i in range(CALLS):
        try:
            signal.setitimer(signal.ITIMER_REAL, 2e-6 + i % 100 * 1e-6)
            found = code(args, frozenset())
            signal.setitimer(signal.ITIMER_REAL, 0)
        except KeyboardInterrupt:
            heard += 1
        else:
            assert_same_bits(found, wanted, f"call {i}")
    assert heard > CALLS // 20, heard
    assert_same_bits(code(args, frozenset()), wanted, "after all")


if __name__ == "__main__":
    main()
