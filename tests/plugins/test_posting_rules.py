"""A plugin's posting rule posts, is corrected with its event, and stops nobody when it fails. A real distribution."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from tieout.errors import PluginError
from tieout.operations.plugin_rules import PluginRules
from tieout.plugins import Plugins
from tieout.workspace import Workspace

ORDERED = """
  - type: purchase.ordered
    when: {from: kind, eq: order}
    fields: {effective_at: date, document: document, party: party}
    lines:
      fields: {item: sku, quantity: quantity, location: location}
"""
HEADER = "id,revision,kind,date,document,party,sku,quantity,location,unit_price,refers_to,reason\n"
RULE = """
    from tieout import hookimpl
    from tieout.model.journal import Flow

    def on_order(line):
        {body}

    @hookimpl
    def tieout_posting_rules():
        return {{{kind!r}: on_order}}
"""
FEE = 'return [Flow(line, "ACME-01", "payment_clearing", "revenue", 250 * (line.quantity // 1_000_000))]'

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    place = tmp_path / "site"
    place.mkdir()
    monkeypatch.syspath_prepend(str(place))
    before = set(sys.modules)

    def install(body: str, kind: str = "purchase.ordered") -> None:
        (place / "acme_fees.py").write_text(dedent(RULE).format(body=body, kind=kind))
        info = place / "acme_fees-1.0.dist-info"
        info.mkdir(exist_ok=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-fees\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[tieout.plugins]\nacme-fees = acme_fees\n")
        sys.modules.pop("acme_fees", None)

    yield install
    for name in set(sys.modules) - before:
        if name == "acme_fees":
            del sys.modules[name]


@pytest.fixture
def books(tmp_path: Path) -> Path:
    """The starter project, which knows purchase orders too; one of two mugs, revision 1."""
    from tieout.workspace import init_project

    folder = tmp_path / "books"
    init_project(folder, template="files", answers={"name": "Fees Ltd"})
    mapping = next(folder.glob("mappings/*.yaml"))
    mapping.write_text(mapping.read_text().replace("\ntests:", ORDERED + "tests:", 1))
    order(folder, "2", 1)
    return folder


def order(folder: Path, quantity: str, revision: int) -> None:
    row = f"80,{revision},order,2026-01-20,PO-1,ACME,MUG,{quantity},MAIN,,,\n"
    (folder / "inbox" / f"movements-orders-{revision}.csv").write_text(HEADER + row)


def fees(work: Workspace) -> list[tuple[str, str]]:
    """(row, amount) of what is posted for the purchase order."""
    found = work.trace("PO-1")
    return [(b["row"], b["amount"]) for event in found["events"] for b in event["bookings"]]


def test_a_rule_posts_with_its_event_and_is_corrected_with_it(install: Install, books: Path) -> None:
    install(FEE)
    with Workspace.open(books, actor="ann") as work:
        done = work.run(seal_now=True)
        assert done["tied_out"], done["companies"][0]["details"]
        assert fees(work) == [("ACME-01", "5.00")]
        assert work.run(seal_now=True)["posted"]["bookings"] == 0
        order(books, "3", 2)
        assert work.run(seal_now=True)["posted"]["corrections"] >= 1
        assert sorted(fees(work)) == [("ACME-01", "2.50"), ("ACME-01", "5.00")], "the difference to 7.50"
        assert work.status()["tied_out"]
    text = (books / "books.beancount").read_text()
    assert [amount for amount in ("5.00", "2.50") if f"-{amount} USD" in text] == ["5.00", "2.50"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("raise KeyError('fee')", "KeyError"),
        ("return 7", "answered int"),
        ("return [7]", "answered int, not a flow"),
        ('return [Flow(line, "ACME-01", "inventory", "revenue", 250)]', "holds stock"),
        ('return [Flow(line, "ACME-01", "revnue", "payment_clearing", 250)]', "no account role"),
        ('return [Flow(line, "ACME-01", "revenue", "payment_clearing", 2.5)]', "whole amount"),
        ('return [Flow(line, "", "revenue", "payment_clearing", 250)]', "names no row"),
    ],
)
def test_a_rule_that_fails_holds_its_event_and_nothing_else(
    install: Install, books: Path, body: str, said: str
) -> None:
    install(body)
    with Workspace.open(books, actor="ann") as work:
        done = work.run(seal_now=True)
        assert done["tied_out"]
        (row,) = [each for each in work.exceptions()["exceptions"] if each["code"] == "TO9012"]
        assert said in row["message"]
        assert fees(work) == []
        assert done["companies"][0]["accounts"][0]["journal"] != "0.00", "the rest is posted"


@pytest.mark.parametrize(
    ("kind", "said"), [("order.fulfilled", "move units"), ("purchase.orderd", "no such event type")]
)
def test_a_rule_for_a_type_that_moves_stock_is_refused_by_name(install: Install, kind: str, said: str) -> None:
    install(FEE, kind)
    with pytest.raises(PluginError, match=said) as error:
        PluginRules(Plugins.load())
    assert error.value.code == "TO9011"


def test_without_plugins_there_is_no_rule() -> None:
    assert PluginRules(Plugins.of()).types == {}
