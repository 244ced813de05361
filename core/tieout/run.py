"""The main job, once: pull, value and post, deliver, tie out. Read this first.

    pull       sources → landed records → event lines            (operations.intake → pull/, mapping/)
    keep       event lines → flows → bookings                    (operations.books → valuation/, posting/)
    deliver    entries → documents in the ledger                 (deliver/)
    tie out    source = subledger = ledger, differences named    (operations.tie → reconcile/)

Every stage commits what it has done; killed anywhere, the next run goes on from there. Nothing here knows whether one
process or many carry the work.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from tieout.deliver.drain import Drained
from tieout.operations.books import Kept
from tieout.operations.intake import Pulled
from tieout.operations.office import Office
from tieout.operations.rules import refuse_silent_change

Say = Callable[[str], None]


class Ran(NamedTuple):
    """What one run of one company did."""

    pulled: list[Pulled]
    kept: Kept
    drained: Drained | None
    status: dict[str, Any]


def run_company(office: Office, *, name: str, seal_now: bool = False, say: Say = lambda _: None) -> Ran:
    """The main job for one company."""
    desk = office.desk
    with desk.stage("pull"):
        pulled = office.intake.pull(name, progress=say)
    with desk.stage("post"):
        say(f"{desk.company.code}: valuing and posting")
        refuse_silent_change(office)
        kept = office.books.keep()
    with desk.stage("deliver"):
        say(f"{desk.company.code}: delivering")
        drained = office.deliver(seal_now=seal_now, progress=say)
    with desk.stage("reconcile"):
        say(f"{desk.company.code}: tying out")
        status = office.tie_out()
    return Ran(pulled, kept, drained, status)
