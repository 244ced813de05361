"""`make bench`: every figure of the performance table, one JSON line each, ratios measured in this very run.

    {"name": "ingest_vs_floor", "value": 0.31, "unit": "ratio", "must": 0.25, "aim": 0.5}

Profile one of them: `python tests/bench/ingest.py FEED.jsonl FOLDER --profile`.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SMALL, LARGE = 20_000, 200_000
LONG = int(os.environ.get("TIEOUT_BENCH_RECORDS", "1000000"))  # of the growth figures; less for a trial
ROUNDS = 3


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def figure(name: str, value: float, unit: str, must: float, aim: float, what: str = "") -> None:
    line = {"name": name, "value": round(value, 3), "unit": unit, "must": must, "aim": aim}
    print(json.dumps(line | ({"what": what} if what else {})), flush=True)


def script(name: str, *words: object) -> list[str]:
    """Run a bench script and return the words of its last line."""
    command = [sys.executable, str(HERE / name), *map(str, words)]
    compiled = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=compiled)
    return done.stdout.split()


def seconds(run: Callable[[], Any]) -> float:
    before = time.process_time()
    run()
    return time.process_time() - before


def feeds(folder: Path) -> dict[int, Path]:
    out = {}
    for count in {SMALL, LARGE, LONG}:
        out[count] = folder / f"feed-{count}.jsonl"
        script("feed.py", out[count], count)
    return out


def ingest(folder: Path, feed: dict[int, Path]) -> None:
    """Whole ingest against the floor, in turn; and how cost and memory grow over a longer period."""
    ratios = []
    for _ in range(ROUNDS):
        floor = float(script("floor.py", feed[LARGE], _fresh(folder, "floor.db"))[0])
        ours = float(script("ingest.py", feed[LARGE], folder / "project")[0])
        ratios.append(floor / ours)
        say(f"floor {floor:.2f} s, ingest {ours:.2f} s for {LARGE:,} movements")
    figure("ingest_vs_floor", statistics.median(ratios), "ratio", 0.25, 0.5)
    growth(folder, feed)


def growth(folder: Path, feed: dict[int, Path]) -> None:
    """CPU a record of the longest feed against the shortest, peak memory of the longest against the middle one."""
    measured = {}
    for count in sorted({SMALL, LARGE, LONG}):
        cpu, _, peak = script("ingest.py", feed[count], folder / "project")
        measured[count] = float(cpu) / count, float(peak)
        say(f"{count:,} records: {measured[count][0] * 1e6:.1f} µs each, peak {measured[count][1] / 1024:.0f} MiB")
    figure(
        "cpu_growth", measured[LONG][0] / measured[SMALL][0], "ratio", 1.4, 1.1, f"{LONG:,} against {SMALL:,} records"
    )
    figure(
        "rss_growth", measured[LONG][1] / measured[LARGE][1], "ratio", 1.5, 1.0, f"{LONG:,} against {LARGE:,} records"
    )


def _fresh(folder: Path, name: str) -> Path:
    for path in folder.glob(f"{name}*"):
        path.unlink()
    return folder / name


def read_path(folder: Path, feed: dict[int, Path]) -> None:
    """The files connector's pages against reading the same bytes with orjson."""
    ours, plain, count = script("read_path.py", feed[LARGE])
    say(f"read path {float(ours):.2f} s, orjson {float(plain):.2f} s for {count} records")
    figure("read_path_vs_orjson", float(plain) / float(ours), "ratio", 0.3, 0.6)


def mapping(_: Path, __: dict[int, Path]) -> None:
    print(" ".join(script("mapping_vs_hand.py")), flush=True)


def replay(folder: Path, _: dict[int, Path]) -> None:
    """One item with 300,000 movements from its start; a backdated receipt before 1,000 issues, delta lines committed."""
    figure("replay_300k", float(script("replay.py")[0]), "CPU seconds", 30, 3)
    late, _corrections = script("backdated.py", folder / "backdated")
    figure("backdated_1000", float(late) * 1000, "CPU milliseconds", 100, 20)


def postgres(_: Path, __: dict[int, Path]) -> None:
    """PostgreSQL's bulk path, safe against doubles, against COPY of the same rows."""
    ratio, floor, ours = script("pg_copy.py", LARGE)
    say(f"COPY {float(floor):.2f} s, looked up and copied {float(ours):.2f} s for {LARGE:,} rows")
    figure("pg_bulk_vs_copy", float(ratio), "ratio", 0.5, 0.7)


def start(_: Path, __: dict[int, Path]) -> None:
    """`tieout --help` against `python -c pass`."""

    def wall(command: list[str]) -> float:
        times = []
        for _ in range(7):
            began = time.perf_counter()
            subprocess.run(command, capture_output=True, check=True)
            times.append(time.perf_counter() - began)
        return statistics.median(times)

    ours = wall([sys.executable, "-m", "tieout", "--help"])
    figure("help_vs_python", ours / wall([sys.executable, "-c", "pass"]), "ratio", 12, 5)


BENCHES = (start, mapping, replay, read_path, postgres, ingest)


def main() -> None:
    wanted = set(sys.argv[1:])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        say("writing feeds")
        feed = feeds(folder)
        for bench in BENCHES:
            if not wanted or bench.__name__ in wanted:
                say(f"── {bench.__name__}")
                bench(folder, feed)


if __name__ == "__main__":
    main()
