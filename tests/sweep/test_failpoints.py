"""Guarantee: no commit and no write to a vendor happens outside a failpoint, so the sweep can die at each of them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import tieout
from tieout import failpoints
from tieout.store.store import Store

CORE = Path(tieout.__file__).parent
TESTING = CORE / "testing"
WRITERS = {"store/store.py", "store/backup.py"}  # the latter into a copy that nobody has opened yet


def calls(name: str) -> Iterator[tuple[str, str]]:
    """Where a method of this name is called in the product: file and of what."""
    for path in sorted(CORE.rglob("*.py")):
        if TESTING in path.parents or "migrations" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == name:
                yield path.relative_to(CORE).as_posix(), ast.unparse(node.func.value)


def test_only_the_store_opens_and_commits_transactions() -> None:
    assert {where for where, _ in calls("commit")} <= WRITERS
    source = (CORE / "store" / "store.py").read_text()
    assert source.count("self._writer.begin()") + source.count("store._writer.begin()") == source.count(
        'at_commit("before")'
    )
    assert source.count('at_commit("after")') == source.count('at_commit("before")')


def test_only_delivery_sends_documents_and_only_between_failpoints() -> None:
    found = {where for name in ("deliver", "deliver_many") for where, of in calls(name) if of.endswith("ledger")}
    assert found == {"deliver/calls.py"}
    source = (CORE / "deliver" / "calls.py").read_text()
    call = source.index("answered = _make(")
    assert source.rindex('failpoint("send: before call")') < call < source.index('failpoint("send: after call")')


def test_a_commit_names_its_function(tmp_path: Path) -> None:
    passed: list[str] = []
    store = Store.open(f"sqlite:///{tmp_path}/a.db", create=True)
    failpoints.handler = passed.append
    try:
        with store.write() as tx:
            store.set_meta(tx, "a", "b")
    finally:
        failpoints.handler = None
        store.close()
    here = f"{__name__}.test_a_commit_names_its_function"
    assert passed == [f"commit: before in {here}", f"commit: after in {here}"]
