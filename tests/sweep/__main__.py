"""`make sweep`: crashes by the hundred thousand, judged by the ledgers' own books.

python tests/sweep [--crashes N] [--pairs N] [--from SEED] [--processes N]
python tests/sweep --seed N [--kind KIND]        one seed again, with its story
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import time
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.sweep import simulation, vendors
from tests.sweep.simulation import Tally

SEEDS_A_TASK = 5
VENDOR_SEEDS_A_TASK = 20
_bench: simulation.Bench | None = None


def work(kind: str, first: int, count: int, pairs: int) -> tuple[str, Tally, float]:
    """A task of a worker: some seeds on its own database. Returns what was found, and the CPU seconds it took."""
    global _bench  # noqa: PLW0603  (one a process)
    began = time.process_time()
    if _bench is None:
        _bench = simulation.Bench()
        gc.freeze()
    seeds = range(first, first + count)
    found = simulation.sweep(seeds, pairs=pairs, bench=_bench) if kind == "ledgers" else vendors.sweep(seeds, _bench)
    return kind, found, time.process_time() - began


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--crashes", type=int, default=100_000)
    parser.add_argument("--vendor-runs", type=int, default=2_000)
    parser.add_argument("--pairs", type=int, default=2)
    parser.add_argument("--from", dest="first", type=int, default=0)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--kind", choices=sorted(simulation.KINDS))
    asked = parser.parse_args()
    if asked.seed is not None:
        tally = simulation.sweep(range(asked.seed, asked.seed + 1), pairs=asked.pairs, kind=asked.kind)
        print("\n".join(tally.stories), *_lines("ledgers of every kind", tally), sep="\n")
        return 1 if tally.wrong else 0
    began = time.monotonic()
    found, seconds, last = _swept(asked)
    for name, title in (("ledgers", "ledgers of every kind"), ("vendors", "QuickBooks and Xero, simulated")):
        print(*_lines(title, found[name]), sep="\n")
    total = found["ledgers"].plus(found["vendors"])
    print(*_lines("all", total), sep="\n")
    print(f"seeds {asked.first} to {last}; {seconds:,.0f} s of CPU, {time.monotonic() - began:,.0f} s on the clock")
    print(*total.stories[:20], sep="\n")
    return 1 if total.wrong else 0


def _swept(asked: argparse.Namespace) -> tuple[dict[str, Tally], float, int]:
    found = {"ledgers": Tally(), "vendors": Tally()}
    seconds, seed, vendor_seed = 0.0, asked.first, asked.first
    told = time.monotonic()
    with ProcessPoolExecutor(asked.processes) as pool:
        running: set[Future[tuple[str, Tally, float]]] = set()
        while True:
            while len(running) < asked.processes:
                share = asked.vendor_runs * found["ledgers"].crashes // max(1, asked.crashes)  # a few among the many
                if found["ledgers"].crashes and vendor_seed - asked.first < min(asked.vendor_runs, share + 1):
                    running.add(pool.submit(work, "vendors", vendor_seed, VENDOR_SEEDS_A_TASK, 0))
                    vendor_seed += VENDOR_SEEDS_A_TASK
                elif found["ledgers"].crashes < asked.crashes:
                    running.add(pool.submit(work, "ledgers", seed, SEEDS_A_TASK, asked.pairs))
                    seed += SEEDS_A_TASK
                else:
                    break
            if not running:
                return found, seconds, seed - 1
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for each in done:
                kind, tally, took = each.result()
                found[kind] = found[kind].plus(tally)
                seconds += took
            if time.monotonic() - told > 30:
                told = time.monotonic()
                total = found["ledgers"].plus(found["vendors"])
                print(f"… {total.crashes:,} crashes, {total.wrong} wrong", file=sys.stderr, flush=True)


def _lines(title: str, tally: Tally) -> list[str]:
    return [
        f"{title}: {tally.plans:,} plans, {tally.crashes:,} runs judged, {tally.lives:,} of them different",
        f"  lost {tally.lost}, doubled {tally.doubled}, out of order {tally.disordered}, "
        f"differing {tally.differing}, never at rest {tally.unrested}",
        f"  left for a person {tally.person:,}, where the ledger could have told {tally.needless}",
    ]


if __name__ == "__main__":
    raise SystemExit(main())
