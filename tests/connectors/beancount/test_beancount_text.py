"""What is written is valid beancount, says exactly what the document said, and reads back the same."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tieout import Context, Document, DocumentLine, Ledger, Rejected
from tieout_beancount import BeancountLedger, tieout_connector
from tieout_beancount.codes import CODES
from tieout_beancount.config import BeancountConfig
from tieout_beancount.parse import calculate, parse
from tieout_beancount.text import nearest_account, render, valid_account

Check = Callable[[Path], str]


def program(name: str) -> str:
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed; `make install` brings it")
    return found


def bean_check(path: Path) -> str:
    """What bean-check says of a file: empty when it accepts it."""
    done = subprocess.run([program("bean-check"), "-C", str(path)], capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).strip() if done.returncode else ""


def ledger(root: Path, currency: str = "USD", **config: Any) -> BeancountLedger:
    made = BeancountConfig(**config)
    return BeancountLedger(
        Context(
            connection="books",
            company="main",
            currency=currency,
            config=made,
            root=root,
            now=lambda: datetime.now(UTC),
        )
    )


def document(n: int = 1, amount: int = 14900, day: date = date(2025, 3, 31), **other: Any) -> Document:
    values: dict[str, Any] = {
        "kind": "journal",
        "company": "main",
        "currency": "USD",
        "day": day,
        "reference": f"TO-{n:012d}",
        "narration": "Cost of goods sold",
        "lines": (
            DocumentLine("Expenses:COGS", amount, role="cogs", location="MAIN", dimensions=(("region", "EU"),)),
            DocumentLine("Assets:Inventory:Main", -amount, role="inventory", quantity=-2_500_000),
        ),
    }
    return Document(**{**values, **other})


def deliver(books: BeancountLedger, *documents: Document) -> None:
    for one in documents:
        books.deliver(books.render(one), "key")


def test_the_hook_gives_a_ledger(tmp_path: Path) -> None:
    assert tieout_connector() is BeancountLedger
    assert isinstance(ledger(tmp_path), Ledger)
    assert all(code.startswith("TO61") and len(page) == 3 for code, page in CODES.items())


@pytest.mark.parametrize(
    ("currency", "amount", "text"), [("JPY", 1234, "1234"), ("KWD", 1234, "1.234"), ("USD", 5, "0.05")]
)
def test_minor_units_are_written_with_the_currencys_decimals(
    tmp_path: Path, currency: str, amount: int, text: str
) -> None:
    books = ledger(tmp_path, currency)
    one = document(amount=amount, currency=currency)
    assert f" {text} {currency}\n".encode() in books.render(one)
    receipt = books.deliver(books.render(one), "key")
    assert receipt.lines == one.lines
    assert bean_check(tmp_path / "books/ledger.beancount") == ""
    assert [b.amount for b in books.balances(["Expenses:COGS", "Assets:Inventory:Main"], date(2025, 3, 31))] == [
        amount,
        -amount,
    ]
    assert books.balances(["Expenses:COGS"], date(2025, 3, 30))[0].amount == 0


def test_every_kind_with_all_its_metadata_is_accepted_and_read_back(tmp_path: Path) -> None:
    books = ledger(tmp_path)
    for n, kind in enumerate(("journal", "bill", "vendor_credit", "invoice", "credit_memo"), 1):
        one = document(
            n,
            kind=kind,
            number=f"B-{n}",
            party='Zulieferer "Süd"',
            corrects_period="2025-02",
            metadata={
                "kind": "x",
                "filename": "y",
                "Batch No": 7,
                "rows": ["SAL-04"],
                "late": True,
                "at": date(2025, 1, 2),
            },
        )
        receipt = books.deliver(books.render(one), "key")
        assert (receipt.lines, receipt.day, receipt.reference) == (one.lines, one.day, one.reference)
        assert books.find(one.reference) == receipt
    assert bean_check(tmp_path / "books/ledger.beancount") == ""


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
dimension_names = st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,8}", fullmatch=True)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    words=st.tuples(texts, texts, texts),
    dims=st.dictionaries(dimension_names, texts, max_size=3),
    amount=st.integers(-(10**15), 10**15),
    quantity=st.integers(-(10**15), 10**15),
)
def test_any_text_survives(words: tuple[str, str, str], dims: dict[str, str], amount: int, quantity: int) -> None:
    narration, party, memo = words
    lines = (
        DocumentLine("Expenses:COGS", amount, memo=memo, dimensions=tuple(dims.items()), quantity=quantity),
        DocumentLine("Assets:Inventory:Main", -amount),
    )
    found = parse(render(document(narration=narration, party=party, lines=lines)).decode())
    assert found.problems == []
    (one,) = found.transactions
    printable = str.maketrans({chr(c): " " for c in range(32) if chr(c) not in "\n\r\t"})
    assert one.narration == narration.translate(printable)
    assert one.payee == party.translate(printable)
    first = one.postings[0]
    assert first.meta.get("memo", "") == memo.translate(printable)
    assert {k[4:]: v for k, v in first.meta.items() if k.startswith("dim-")} == {
        k: v.translate(printable) for k, v in dims.items()
    }
    assert first.value == Decimal(amount).scaleb(-2)
    assert Decimal(first.meta.get("qty", "0")) == Decimal(quantity).scaleb(-6)


NASTY = [
    'quote " and \\ backslash',
    "line\nend\tand ; semicolon",
    '"',
    "\\",
    'ends in \\"',
    "日本語 ∑ 🎉",
    "^link #tag {1 USD} @ 2",
    "\x0b\x0c\x85\u2028",
]


def test_beancount_itself_reads_the_strings_that_were_meant(tmp_path: Path) -> None:
    books = ledger(tmp_path)
    deliver(books, *(document(n, narration=text, party=text) for n, text in enumerate(NASTY, 1)))
    path = tmp_path / "books/ledger.beancount"
    assert bean_check(path) == ""
    again = ledger(tmp_path)
    found = {e.reference: e.narration for e in again.entries(["Expenses:COGS"], None)}
    assert found["TO-000000000001"] == f"{NASTY[0]}: {NASTY[0]}"
    assert found["TO-000000000002"] == f"{NASTY[1]}: {NASTY[1]}"


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"lines": (DocumentLine("Expenses:COGS", 1),)}, "balance"),
        ({"lines": ()}, "no lines"),
        ({"kind": "payment"}, "payment"),
        ({"reference": "TO 1"}, "TO 1"),
        ({"lines": (DocumentLine("1400", 1), DocumentLine("Assets:X", -1))}, "1400"),
        ({"lines": (DocumentLine("Assets:stock", 1), DocumentLine("Assets:X", -1))}, "Assets:Stock"),
        ({"lines": (DocumentLine("Assets:X", 1, dimensions=(("a b", "c"),)), DocumentLine("Assets:X", -1))}, "a b"),
    ],
)
def test_what_beancount_would_refuse_is_refused_before(change: dict[str, Any], word: str) -> None:
    with pytest.raises(Rejected) as refused:
        render(document(**change))
    assert refused.value.code == "TO6101"
    assert word in str(refused.value)


@pytest.mark.parametrize("name", ["assets:stock main", "1400", "Vorräte:Lager (Süd)", "Assets:Inventory:Main", "::"])
def test_the_proposed_account_name_is_valid(name: str) -> None:
    assert valid_account(nearest_account(name))


@pytest.mark.parametrize(
    "name",
    [
        "Assets:Inventory",
        "Assets:1400",
        "Assets:Vorräte-Süd",
        "Assets:Über",
        "Assets",
        "Assets:",
        "assets:X",
        "Assets:stock",
        "Assets:A b",
        "Assets:A_b",
        "Assets:-A",
    ],
)
def test_account_names_are_judged_as_beancount_does(tmp_path: Path, name: str) -> None:
    path = tmp_path / "one.beancount"
    path.write_text(f"1970-01-01 open {name}\n")
    assert valid_account(name) == (bean_check(path) == "")


@pytest.mark.parametrize(
    ("text", "value"),
    [("1,234.50", "1234.50"), ("-(2 + 3) * 4", "-20"), ("10 / 4", "2.5"), ("- 3 - -1", "-2"), ("2 * (1+1)", "4")],
)
def test_number_expressions(text: str, value: str) -> None:
    assert calculate(text) == Decimal(value)


@pytest.mark.parametrize("text", ["", "1 +", "(1", "1)", "a", "1 / 0", "2 2", "()"])
def test_broken_number_expressions_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not understood"):
        calculate(text)
