"""The frame of the simulators: real HTTP and in-process alike, with faults that happen before or after the effect."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import httpx
import pytest

from tieout_sandbox.simulators.app import Number, Reply, Request, Simulator, dumps, mounted, serve
from tieout_sandbox.simulators.clock import SimClock
from tieout_sandbox.simulators.faults import FAULTS, Faults
from tieout_sandbox.simulators.keeping import Keeping


class Counting(Simulator):
    """Counts what took effect."""

    def __init__(self, **how: object) -> None:
        super().__init__(clock=SimClock(), **how)  # type: ignore[arg-type]
        self.effects = 0

    def handle(self, request: Request) -> Reply:
        self.effects += 1
        return Reply.of({"n": self.effects, "amount": Number("0.10"), "got": request.json()})


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_each_fault_does_what_it_says(name: str) -> None:
    app = Counting()
    app.faults.next(name)
    with httpx.Client(transport=mounted(app), base_url="http://vendor") as client:
        try:
            status = client.post("/x", json={}).status_code
        except httpx.TransportError:
            status = 0
        assert app.effects == int(FAULTS[name].effect)
        assert (status in (0, 200, 401, 429, 500, 503)) and app.faults.happened == Counter({name: 1})
        assert client.post("/x", json={}).json()["n"] == app.effects


def test_over_a_socket() -> None:
    app = Counting()
    with serve(app) as url:
        assert httpx.post(f"{url}/a?b=c", json={"x": 1}).content == b'{"n": 1, "amount": 0.10, "got": {"x": 1}}'
        for name in ("truncated", "reset_after"):
            app.faults.next(name)
            with pytest.raises(httpx.TransportError):
                httpx.post(f"{url}/a", json={}, timeout=5)
        app.faults.next("timeout_before")
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{url}/a", json={}, timeout=0.3)
        app.faults.next("slow")
        assert httpx.post(f"{url}/a", json={}, timeout=10).status_code == 200
    assert app.effects == 4


def test_a_seed_always_gives_the_same_faults() -> None:
    def run(seed: int) -> list[str]:
        faults = Faults(seed, {"throttled": 0.1, "error_after": 0.1})
        return [found.name if (found := faults.draw(writing=True)) else "" for _ in range(300)]

    assert run(1) == run(1)
    assert run(1) != run(2)
    assert 30 < sum(bool(name) for name in run(1)) < 90
    with pytest.raises(ValueError, match="no fault"):
        Faults(0, {"gremlins": 1})


def test_amounts_are_written_digit_by_digit() -> None:
    assert dumps({"a": [Number("1.10"), Number("-0.000001")], "b": "1.10"}) == b'{"a": [1.10, -0.000001], "b": "1.10"}'


def test_time_stands_still_until_it_is_moved() -> None:
    clock = SimClock()
    before = clock.now()
    clock.advance(timedelta(days=365))
    clock.sleep(5)
    assert clock.now() - before == 365 * 86_400 + 5
    with pytest.raises(ValueError, match="backwards"):
        clock.advance(-1)


def test_what_is_kept_has_revisions_and_is_remembered_when_gone() -> None:
    kept = Keeping()
    assert [kept.put("Bill", str(n), {"id": n}, at=n) for n in (2, 10)] == [0, 0]
    assert kept.put("Bill", "2", {"id": 2, "x": 1}, at=20) == 1
    assert [d["id"] for d in kept.all("Bill")] == [2, 10]
    assert [d["id"] for d in kept.all("Bill", since=15)] == [2]
    kept.remove("Bill", "10", at=30)
    assert kept.get("Bill", "10") is None
    assert [d["id"] for d in kept.all("Bill", since=25, gone=True)] == [10]
    assert (kept.next_id("Bill"), kept.next_id("Bill")) == (1, 2)
