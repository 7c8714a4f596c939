"""How a long command of these ends, whatever ends it."""

import signal
from collections.abc import Callable

from stack.errors import Fault
from stack.say import complain


def run(work: Callable[[], int]) -> int:
    """Return what the work does, 1 or a fault's own code after naming it, 130 when interrupted."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return work()
    except Fault as fault:
        complain(str(fault))
        return fault.code
    except KeyboardInterrupt:
        complain("interrupted")
        return 130
