"""The doctor looks at what will fail tomorrow: a clock that is off, a consent that ends, files that others can read."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from tests.sla.month_of_march import NOW, project

from tieout.http.client import Http
from tieout.operations.health import _clock
from tieout.workspace import Workspace


@pytest.mark.parametrize(("ahead", "said"), [(5, []), (90, ["90 s ahead of"]), (-120, ["120 s behind"])])
def test_a_clock_that_is_off_is_told(ahead: int, said: list[str]) -> None:
    date = NOW.strftime("%a, %d %b %Y %H:%M:%S GMT")
    http = Http(
        base_url="https://vendor.example",
        hosts=("vendor.example",),
        transport=httpx.MockTransport(lambda _: httpx.Response(200, headers={"Date": date}, json={})),
        now=(NOW + timedelta(seconds=ahead)).timestamp,
    )
    http.read("GET", "/")
    found = _clock("shop", SimpleNamespace(http=http))
    assert [words in one["what"] for words, one in zip(said, found, strict=True)] == [True] * len(said)


@pytest.mark.skipif(sys.platform == "win32", reason="permissions of POSIX")
def test_the_doctor_finishes_and_names_what_others_can_change(tmp_path: Path) -> None:
    folder = project(tmp_path)
    (folder / "tieout.toml").chmod(0o666)
    with Workspace.open(folder, actor="ann") as work:
        found = work.doctor()["findings"]
    assert any("tieout.toml can be changed by others" in one["what"] for one in found)
    assert any("MB free" in one["what"] for one in found)
