"""Named places where a test may make the process die. In production `failpoint` does nothing.

Crash tests in process set `handler`; those with real processes set the environment variable `TIEOUT_FAILPOINT` to
`NAME` or `NAME:N`, and the process kills itself, without any clean-up, the N-th time it passes there.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

handler: Callable[[str], None] | None = None
_passed = 0


def failpoint(name: str) -> None:
    """Pass a named place: before and after every commit and every call to a vendor that writes."""
    if handler is not None:
        handler(name)


def _from_environment(wanted: str) -> Callable[[str], None]:
    name, _, count = wanted.partition(":")

    def kill(passed: str) -> None:
        global _passed  # noqa: PLW0603  (a count for the life of the process)
        if passed == name:
            _passed += 1
            if _passed >= int(count or 1):
                os.kill(os.getpid(), signal.SIGKILL)

    return kill


if os.environ.get("TIEOUT_FAILPOINT"):
    handler = _from_environment(os.environ["TIEOUT_FAILPOINT"])
