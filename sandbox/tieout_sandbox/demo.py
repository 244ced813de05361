"""`make demo`: the main job on a sample company, then what nobody else does, told as it happens.

Everything is done with the `tieout` program as anyone would type it; this module only lays feeds into the drop folder,
runs the commands and says what to look at. The project stays in `demo/`.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from tieout_sandbox import demo_shop, sample
from tieout_sandbox.demo_stage import MARKER, NOT_TIED_OUT, PARTLY_DONE, Failed, Stage, fresh


def prepare(folder: Path) -> sample.SampleCompany:
    """A fresh project folder."""
    fresh(folder)
    company = sample.create(folder)
    (folder / MARKER).write_text("made by `make demo`; may be deleted\n")
    return company


def main(folder: Path = Path("demo")) -> int:
    """Run the whole demo; 0 when everything tied out, 1 with the step that did not."""
    stage, wanted = Stage(folder), demo_shop.ledger_wanted()
    try:
        if wanted == "files":
            _play(stage)
        elif wanted in ("quickbooks", "xero"):
            demo_shop.play(stage, wanted)
        else:
            raise Failed(f"DEMO={wanted} is none of quickbooks, xero, files")
    except Failed as error:
        print(f"\ndemo failed: {error}", file=sys.stderr)
        return 1
    return 0


def _play(stage: Stage) -> None:
    stage.title("A sample company: three months of purchases, sales, returns, transfers, counts")
    company = prepare(stage.folder)
    stage.tell(company.describe())
    stage.tieout("check")

    stage.title("The main job: read the feeds, map, drop re-delivered duplicates, value (FIFO), post, deliver, tie out")
    stage.tieout("run")

    stage.title("The same feeds again, shuffled and under other names: nothing may happen")
    sample.redeliver(stage.folder)
    again = stage.json("run")
    posted = again["posted"]["bookings"]
    if posted:
        raise Failed(f"a re-delivery posted {posted} bookings")
    records = sum(stream["records"] for stream in again["pulled"]["streams"])
    duplicates = sum(stream["duplicates"] for stream in again["pulled"]["streams"])
    stage.tell(f"{records} records read, {duplicates} known already, 0 bookings, 0 entries: nothing happened.")

    stage.title("A receipt that arrives late, dated before sales that were already costed")
    stage.tell(sample.backdate(stage.folder).text)
    stage.tieout("pull", show=False)
    planned = stage.json("plan", allowed=(0, NOT_TIED_OUT))["entries"]
    sale = next(entry["documents"][0] for entry in planned if "corrects" in entry["why"])
    stage.tieout("plan", allowed=(0, NOT_TIED_OUT))
    stage.tieout("run", show=False)
    stage.tell("Only differences were posted. Why one of those sales costs something else now:")
    stage.tieout("explain", "cost-of", sale)

    stage.title("An edited document, a cancelled one, and a record with a SKU nobody knows")
    sample.edit(stage.folder)
    sample.cancel(stage.folder)
    sample.unknown_sku(stage.folder)
    stage.tieout("run", show=False, allowed=(0, PARTLY_DONE))
    stage.tieout("exceptions", "list")

    stage.title("Where everything stands")
    stage.tieout("status")
    status = stage.json("status")
    if not status["tied_out"] or not stage.json("reconcile")["tied_out"]:
        raise Failed("the books do not tie out")
    print(f"\nunexplained {status['unexplained']}   ({time.monotonic() - stage.started:.0f} s in all)")
    _next(stage.folder, sale)


def _next(folder: Path, document: str) -> None:
    program = Path(sys.executable).parent / "tieout"
    short = program.relative_to(Path.cwd()) if program.is_relative_to(Path.cwd()) else program
    print("\nNow try:")
    for words in (
        "status",
        f"trace {document}",
        f"explain cost-of {document}",
        "valuation --layers",
        "exceptions list",
        "items unmapped",
        "export hledger",
    ):
        print(f"  {short} {words} -C {folder}")


if __name__ == "__main__":
    sys.exit(main())
