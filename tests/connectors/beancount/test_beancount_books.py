"""Books that people write in too: balances, foreign and edited entries, locks, accounts."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tieout import Context, Document, DocumentLine, Fatal, Money, Rejected, Retryable
from tieout_beancount import BeancountLedger
from tieout_beancount.config import BeancountConfig
from tieout_beancount.parse import parse

DAY = date(2025, 3, 31)
MAIN = "books/ledger.beancount"

PEOPLE = """\
option "title" "Ours"
option "operating_currency" "USD"
* Opening, an org-mode heading
2024-01-01 open Assets:Bank
2024-01-01 open Assets:Inventory:Main   ; "quoted; comment
2024-01-01 open Equity:Opening
2024-01-01 open Expenses:Misc
2024-01-01 open Expenses:COGS
2024-01-01 commodity WIDGET

2024-01-01 * "Opening"
  Assets:Bank              1,000.00 USD
  Assets:Inventory:Main      (100 + 25.50) * 2 USD
  Equity:Opening

2024-02-01 ! "Shop; with \\"quotes\\"" "multi
line narration" #tag ^link
  invoice: "17"
  Expenses:Misc   10 USD ; a remark
    note: "x"
  ! Assets:Bank

2024-03-01 txn "Widgets at cost"
  Assets:Inventory:Main     4 WIDGET {2.50 USD}
  Assets:Inventory:Main     2 WIDGET {{7.00 USD, 2024-03-01, "lot"}}
  Assets:Inventory:Main    -1 WIDGET {2.50 USD} @ 4 USD
  Assets:Bank             -14.50 USD

2024-04-01 * "Euros"
  Expenses:Misc   10.00 EUR @ 1.10 USD
  Expenses:Misc    5.00 EUR @@ 6.00 USD
  Assets:Bank
"""


def bean_check(path: Path) -> str:
    program = Path(sys.executable).with_name("bean-check")
    if not program.exists():
        pytest.skip("bean-check is not installed; `make install` brings it")
    done = subprocess.run([program, "-C", path], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def exact(amount: int) -> str:
    """An amount for a `balance` assertion without tolerance."""
    number, currency = str(Money(amount, "USD")).split()
    return f"{number} ~ 0.000 {currency}"


def ledger(root: Path, **config: Any) -> BeancountLedger:
    made = BeancountConfig(**config)
    return BeancountLedger(
        Context(
            connection="books", company="main", currency="USD", config=made, root=root, now=lambda: datetime.now(UTC)
        )
    )


def people(root: Path, text: str = PEOPLE) -> Path:
    path = root / MAIN
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def document(n: int = 1, amount: int = 14900, day: date = DAY, credit: str = "Assets:Inventory:Main") -> Document:
    lines = (DocumentLine("Expenses:COGS", amount), DocumentLine(credit, -amount))
    return Document(
        kind="journal", company="main", currency="USD", day=day, reference=f"TO-{n:012d}", narration="n", lines=lines
    )


def deliver(books: BeancountLedger, one: Document) -> None:
    books.deliver(books.render(one), "key")


def balance(books: BeancountLedger, account: str, day: date = date(2030, 1, 1)) -> int:
    return books.balances([account], day)[0].amount


def test_balances_of_what_people_wrote(tmp_path: Path) -> None:
    people(tmp_path)
    books = ledger(tmp_path)
    assert [f.level for f in books.check()] == ["ok"]
    assert balance(books, "Assets:Bank") == 100000 - 1000 - 1450 - 1700
    assert balance(books, "Assets:Inventory:Main") == 25100 + 1000 + 700 - 250
    assert balance(books, "Assets:Inventory:Main", date(2024, 2, 29)) == 25100
    assert balance(books, "Equity:Opening") == -125100
    assert balance(books, "Expenses:Misc") == 1000
    assert balance(books, "Expenses:Nothing") == 0


def test_beancount_agrees_with_the_balances_read(tmp_path: Path) -> None:
    """Our figures as `balance` assertions: beancount's own parser and arithmetic confirm them, and refuse others."""
    path = people(tmp_path)
    books = ledger(tmp_path)
    accounts = ["Assets:Bank", "Equity:Opening", "Expenses:Misc"]
    found = {a: balance(books, a) for a in accounts}
    lines = [f"2030-01-01 balance {a} {exact(amount)}\n" for a, amount in found.items()]
    path.write_text(PEOPLE + "".join(lines))
    assert bean_check(path) == ""
    path.write_text(PEOPLE + f"2030-01-01 balance Assets:Bank {exact(found['Assets:Bank'] + 1)}\n")
    assert "Balance failed" in bean_check(path)


@pytest.mark.parametrize(
    ("amount", "value"),
    [
        ("-2 WIDGET {{5.00 USD}}", "-5.00"),
        ("-2 WIDGET {5.00 # 1.00 USD}", "-11.00"),
        ("3 WIDGET {1,000.00 USD, 2024-01-01}", "3000.00"),
        ('1 WIDGET {"lot", 2 * 3 USD}', "6"),
        ("-5 WIDGET {2 USD} @@ 100 USD", "-10"),
        ("1.5 USD @ 2 EUR", "1.5"),
        ("- 5 USD", "-5"),
    ],
)
def test_the_value_of_a_posting(amount: str, value: str) -> None:
    parsed = parse(f'2024-01-01 * "x"\n  Assets:A  {amount}\n')
    assert parsed.problems == []
    assert parsed.transactions[0].postings[0][1:3] == (Decimal(value), "USD")


def test_what_people_wrote_stays_as_it_is(tmp_path: Path) -> None:
    path = people(tmp_path, PEOPLE.rstrip("\n"))
    deliver(ledger(tmp_path), document())
    assert path.read_text().startswith(PEOPLE.rstrip("\n") + "\n\n2025-03-31 *")


def test_foreign_and_edited_entries_are_shown(tmp_path: Path) -> None:
    path = people(tmp_path)
    books = ledger(tmp_path)
    deliver(books, document(1))
    deliver(books, document(2, 500))
    before = {e.reference: e for e in books.entries(["Assets:Inventory:Main"], None)}
    assert set(before) == {"", "TO-000000000001", "TO-000000000002"}
    path.write_text(path.read_text().replace("149.00 USD", "150.00 USD"))
    after = {e.reference: e for e in books.entries(["Assets:Inventory:Main"], date(2025, 1, 1))}
    assert set(after) == {"TO-000000000001", "TO-000000000002"}
    assert after["TO-000000000001"].lines[0].amount == 15000
    assert after["TO-000000000001"].revision != before["TO-000000000001"].revision
    assert after["TO-000000000002"].revision == before["TO-000000000002"].revision
    foreign = list(books.entries(["Expenses:Misc"], None))
    assert [(e.reference, e.day) for e in foreign] == [("", date(2024, 2, 1)), ("", date(2024, 4, 1))]
    assert foreign[0].narration == 'Shop; with "quotes": multi\nline narration'
    assert foreign[0].ledger_id.startswith(f"{MAIN}:")
    with pytest.raises(Rejected, match="other content") as refused:
        deliver(books, document(1))
    assert refused.value.code == "TO6103"
    assert refused.value.amount == "149.00 USD"


def test_a_deleted_entry_is_no_longer_found(tmp_path: Path) -> None:
    path = people(tmp_path)
    books = ledger(tmp_path)
    deliver(books, document(1))
    assert books.find("TO-000000000001") is not None
    path.write_text(PEOPLE)
    assert books.find("TO-000000000001") is None
    assert ledger(tmp_path).find("TO-000000000002") is None


def test_delivering_twice_writes_once(tmp_path: Path) -> None:
    books = ledger(tmp_path)
    body = books.render(document())
    first = books.deliver(body, "key")
    content = (tmp_path / MAIN).read_bytes()
    assert books.deliver(body, "another key") == first
    assert ledger(tmp_path).deliver(body, "key") == first
    assert (tmp_path / MAIN).read_bytes() == content


def test_reformatting_an_entry_is_not_an_edit(tmp_path: Path) -> None:
    books = ledger(tmp_path)
    body = books.render(document())
    books.deliver(body, "key")
    path = tmp_path / MAIN
    path.write_text(path.read_text().replace("          ", "  ").replace("\n  tieout", " #seen\n  tieout"))
    assert books.deliver(body, "key").lines == document().lines


def test_two_connectors_on_one_ledger_see_each_other(tmp_path: Path) -> None:
    one, two = ledger(tmp_path), ledger(tmp_path)
    deliver(one, document(1))
    deliver(two, document(2))
    deliver(one, document(3))
    assert [e.reference for e in two.entries(["Expenses:COGS"], None)] == [f"TO-{n:012d}" for n in (1, 2, 3)]
    first = one.find("TO-000000000003")
    assert first is not None
    assert first == two.find("TO-000000000003") == ledger(tmp_path).find("TO-000000000003")


@pytest.mark.parametrize("account", ["Equity:Opening", "Assets:Inventory:Main"])
def test_pad_is_named_not_guessed(tmp_path: Path, account: str) -> None:
    people(tmp_path, PEOPLE + "2024-05-01 pad Assets:Inventory:Main Equity:Opening\n")
    with pytest.raises(Rejected, match="pad") as refused:
        balance(ledger(tmp_path), account)
    assert refused.value.code == "TO6107"
    assert balance(ledger(tmp_path), "Expenses:Misc") == 1000


def test_lot_matching_is_named_not_guessed(tmp_path: Path) -> None:
    text = """
2024-05-01 * "sold"
  Assets:Inventory:Main  -1 WIDGET {}
  Expenses:COGS
"""
    people(tmp_path, PEOPLE + text)
    with pytest.raises(Rejected, match="not in the text") as refused:
        balance(ledger(tmp_path), "Assets:Inventory:Main")
    assert refused.value.code == "TO6107"
    line = (PEOPLE + text).split("\n").index('2024-05-01 * "sold"') + 1
    assert refused.value.where == f"{MAIN}:{line}"


def test_an_unclear_leg_does_not_hide_the_entry(tmp_path: Path) -> None:
    text = '2024-05-01 * "sold"\n  Expenses:COGS  2.50 USD\n  Assets:Inventory:Main  -1 WIDGET {}\n  Assets:Bank\n'
    people(tmp_path, PEOPLE + text)
    (entry,) = ledger(tmp_path).entries(["Expenses:COGS"], None)
    assert [(line.account, line.amount) for line in entry.lines] == [("Expenses:COGS", 250)]
    assert balance(ledger(tmp_path), "Expenses:COGS") == 250


def test_one_lot_left_open_is_what_balances(tmp_path: Path) -> None:
    people(tmp_path, PEOPLE + '2024-05-01 * "sold"\n  Assets:Inventory:Main  -1 WIDGET {}\n  Expenses:COGS  2.50 USD\n')
    assert balance(ledger(tmp_path), "Assets:Inventory:Main") == 25100 + 1450 - 250


def test_parts_of_a_minor_unit_are_named(tmp_path: Path) -> None:
    people(tmp_path, PEOPLE + '2024-05-01 * "x"\n  Expenses:COGS  0.005 USD\n  Assets:Bank  -0.005 USD\n')
    with pytest.raises(Rejected, match="minor unit"):
        balance(ledger(tmp_path), "Expenses:COGS")


def test_locked_through_from_directive_and_configuration(tmp_path: Path) -> None:
    text = '2025-04-05 custom "tieout" "locked-through" 2025-03-31\n2025-03-05 custom "tieout" "locked-through" 2025-02-28\n'
    path = people(tmp_path, PEOPLE + text)
    books = ledger(tmp_path)
    assert books.locked_through() == DAY
    with pytest.raises(Rejected) as refused:
        deliver(books, document(1))
    assert refused.value.code == "TO6108"
    deliver(books, document(1, day=date(2025, 4, 1)))
    assert ledger(tmp_path, locked_through=date(2025, 6, 30)).locked_through() == date(2025, 6, 30)
    path.write_text(PEOPLE)
    assert books.locked_through() is None


def test_a_delivered_entry_is_still_acknowledged_after_its_day_was_locked(tmp_path: Path) -> None:
    books = ledger(tmp_path)
    body = books.render(document())
    first = books.deliver(body, "key")
    assert ledger(tmp_path, locked_through=DAY).deliver(body, "key") == first


def test_accounts_are_opened_from_the_list_and_no_other(tmp_path: Path) -> None:
    (tmp_path / "chart.csv").write_text("code,name,type\nExpenses:COGS,Cost of sales,expense\n")
    books = ledger(tmp_path, chart="chart.csv", accounts={"Assets:Inventory:Main": "Stock, main"})
    deliver(books, document())
    text = (tmp_path / MAIN).read_text()
    assert '1970-01-01 open Assets:Inventory:Main\n  name: "Stock, main"\n' in text
    with pytest.raises(Rejected, match="Assets:Inventory:Main") as refused:
        deliver(books, document(2, credit="Assets:Inventory:Mian"))
    assert refused.value.code == "TO6102"
    assert {(a.code, a.name, a.type) for a in books.accounts()} == {
        ("Assets:Inventory:Main", "Stock, main", "asset"),
        ("Expenses:COGS", "Cost of sales", "expense"),
    }


def test_accounts_opened_late_or_closed_are_refused(tmp_path: Path) -> None:
    people(tmp_path, PEOPLE + "2025-03-01 close Assets:Bank\n2025-04-15 open Assets:Late\n")
    books = ledger(tmp_path)
    for account in ("Assets:Bank", "Assets:Late"):
        with pytest.raises(Rejected) as refused:
            deliver(books, document(1, credit=account))
        assert refused.value.code == "TO6104"
    assert [a.active for a in books.accounts() if a.code == "Assets:Bank"] == [False]
    with pytest.raises(Rejected) as refused:
        deliver(ledger(tmp_path, auto_open=False), document(1, credit="Assets:New"))
    assert refused.value.code == "TO6102"


def test_per_year_files_are_included(tmp_path: Path) -> None:
    books = ledger(tmp_path, per_year=True)
    deliver(books, document(1, day=date(2024, 12, 31)))
    deliver(books, document(2))
    deliver(books, document(3, day=date(2024, 1, 1)))
    again = ledger(tmp_path, per_year=True)
    assert balance(again, "Expenses:COGS") == 3 * 14900
    main = (tmp_path / MAIN).read_text()
    assert main.count("include") == 2
    assert "TO-" not in main
    assert (tmp_path / "books/ledger-2024.beancount").read_text().count("tieout:") == 2


def test_included_files_count(tmp_path: Path) -> None:
    people(tmp_path, 'include "more/*.beancount"\n' + PEOPLE)
    (tmp_path / "books/more").mkdir()
    more = tmp_path / "books/more/a.beancount"
    more.write_text('2024-06-01 * "x"\n  Expenses:Misc  1.00 USD\n  Assets:Bank\n')
    books = ledger(tmp_path)
    assert balance(books, "Expenses:Misc") == 1100
    more.unlink()
    assert balance(books, "Expenses:Misc") == 1000


def test_bytes_that_are_not_utf8_are_named_by_line(tmp_path: Path) -> None:
    people(tmp_path).write_bytes(PEOPLE.encode() + b"; caf\xe9\n")
    with pytest.raises(Fatal) as refused:
        ledger(tmp_path).find("TO-000000000001")
    assert refused.value.code == "TO6106"
    assert str(refused.value.where).endswith(f":{PEOPLE.count(chr(10)) + 1}")


def test_check_reports_broken_lines_plugins_and_copies(tmp_path: Path) -> None:
    path = people(tmp_path)
    books = ledger(tmp_path)
    deliver(books, document())
    entry = path.read_text()[len(PEOPLE) :]
    path.write_text('plugin "beancount.plugins.auto"\n' + path.read_text() + entry + '2025-13-01 * "x"\n')
    found = [(f.level, f.what) for f in books.check()]
    assert [level for level, _ in found] == ["ok", "error", "warning", "error"]
    assert "2 times" in found[3][1]


def test_a_held_ledger_is_retried_not_waited_for_for_ever(tmp_path: Path) -> None:
    people(tmp_path)
    holder, other = ledger(tmp_path), ledger(tmp_path, lock_wait_seconds=0)
    with holder._book.held(), pytest.raises(Retryable, match="held"):
        other.find("TO-000000000001")
    assert other.find("TO-000000000001") is None


def test_a_body_that_is_not_one_entry_of_ours_is_refused(tmp_path: Path) -> None:
    books = ledger(tmp_path)
    body = books.render(document())
    for wrong in (b"", b"2025-01-01 open Assets:X\n", body + body.replace(b"000001", b"000002"), b'2025-01-01 * "x"\n'):
        with pytest.raises(Rejected) as refused:
            books.deliver(wrong, "key")
        assert refused.value.code == "TO6101"


def test_configuration_names_the_field() -> None:
    with pytest.raises(ValidationError, match="currency"):
        BeancountConfig(currency="XXX")
    with pytest.raises(ValidationError, match="pth"):
        BeancountConfig.model_validate({"pth": "x"})


def test_a_chart_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(Fatal) as refused:
        ledger(tmp_path, chart="nowhere.csv")
    assert refused.value.code == "TO6110"


def test_the_parser_never_raises_on_odd_text() -> None:
    odd = (
        '2024-01-01 * "unclosed\n  Assets:A  1 USD\n'
        + "(((\n"
        + '2024-02-30 open X\n  indented alone\n2024-01-01 * "a" "b" "c"\n  Assets:A {{ USD\n'
    )
    parsed = parse(odd)
    assert isinstance(parsed.problems, list)
    assert parse("\n".join(["  " + "x" * 50] * 5)).transactions == []
    assert parse('2024-01-01 * "x"\n  Assets:A  1 USD\n  Assets:B  -1 USD').transactions[0].postings[
        1
    ].value == Decimal(-1)
