"""Named places where a test may make the process die. In production `failpoint` does nothing.

Crash tests in process set `handler`; those with real processes set the environment variable `TIEOUT_FAILPOINT` to
`NAME` or `NAME:N`, and the process kills itself, without any clean-up, the N-th time it passes there.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable

handler: Callable[[str], None] | None = None
_passed = 0
_FRAME = frozenset({"tieout.store.store", "contextlib"})


def failpoint(name: str) -> None:
    """Pass a named place: before and after every commit and every call to a vendor that writes."""
    if handler is not None:
        handler(name)


def at_commit(moment: str) -> None:
    """Pass the place before or after a commit; its name tells whose: `commit: before in tieout.deliver.send.send`."""
    if handler is not None:
        handler(f"commit: {moment} in {_committing()}")


def _committing() -> str:
    """The function whose transaction this is: the nearest caller outside the store's own frame."""
    frame = sys._getframe(2)
    while frame.f_back is not None and frame.f_globals.get("__name__") in _FRAME:
        frame = frame.f_back
    return f"{frame.f_globals.get('__name__')}.{frame.f_code.co_qualname}"


def _from_environment(wanted: str) -> Callable[[str], None]:
    head, _, tail = wanted.rpartition(":")
    name, times = (head, int(tail)) if tail.isdigit() else (wanted, 1)

    def kill(passed: str) -> None:
        global _passed  # noqa: PLW0603  (a count for the life of the process)
        if passed == name:
            _passed += 1
            if _passed >= times:
                os.kill(os.getpid(), signal.SIGKILL)

    return kill


if os.environ.get("TIEOUT_FAILPOINT"):
    handler = _from_environment(os.environ["TIEOUT_FAILPOINT"])
