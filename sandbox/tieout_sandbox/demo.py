"""`make demo`: the main job on a sample company, then what nobody else does, told as it happens.

Everything is done with the `tieout` program as anyone would type it; this module only lays feeds into the drop folder,
runs the commands and says what to look at. The project stays in `demo/`.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tieout_sandbox import sample

MARKER = ".tieout-demo"
NOT_TIED_OUT = 3
PARTLY_DONE = 6


class Failed(Exception):  # noqa: N818 - what happened, as the demo tells it
    """A step of the demo did not do what it promises."""


class Stage:
    """Runs `tieout` commands in the project folder and tells what is going on."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started = time.monotonic()
        self.step = 0

    def title(self, text: str) -> None:
        self.step += 1
        seconds = time.monotonic() - self.started
        print(f"\n── {self.step}. {text}  ({seconds:.0f} s)", flush=True)

    def tell(self, text: str) -> None:
        print(f"   {text}", flush=True)

    def tieout(self, *words: str, show: bool = True, allowed: Sequence[int] = (0,)) -> str:
        """Run a command, show it and its answer, and return the answer."""
        print(f"$ tieout {' '.join(words)}", flush=True)
        command = [sys.executable, "-m", "tieout", *words, "-C", str(self.folder)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        if show and done.stdout.strip():
            print(done.stdout.rstrip(), flush=True)
        if done.returncode not in allowed:
            raise Failed(f"`tieout {' '.join(words)}` ended with {done.returncode}")
        return done.stdout

    def json(self, *words: str, allowed: Sequence[int] = (0,)) -> Any:
        command = [sys.executable, "-m", "tieout", *words, "--json", "-C", str(self.folder)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode not in allowed:
            raise Failed(f"`tieout {' '.join(words)} --json` ended with {done.returncode}")
        return json.loads(done.stdout)


def prepare(folder: Path) -> sample.SampleCompany:
    """A fresh project folder; an earlier demo is replaced, anything else is left alone."""
    if folder.exists():
        if not (folder / MARKER).exists():
            raise Failed(f"{folder} exists and is not an earlier demo; move it away")
        shutil.rmtree(folder)
    company = sample.create(folder)
    (folder / MARKER).write_text("made by `make demo`; may be deleted\n")
    return company


def main(folder: Path = Path("demo")) -> int:
    """Run the whole demo; 0 when everything tied out, 1 with the step that did not."""
    stage = Stage(folder)
    try:
        _play(stage)
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
