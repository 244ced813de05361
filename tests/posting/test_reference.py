"""Guarantee: references and keys are derived: the same after a crash or a restore, different for whatever differs."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from msgspec.structs import replace

from tieout.model.journal import Document, DocumentLine
from tieout.posting import reference

LINES = (DocumentLine("1400", -500, dimensions=(("class", "x"),)), DocumentLine("5000", 500))
DOCUMENT = Document("journal", "main", "USD", date(2026, 3, 1), "", "order.fulfilled: 1 event", LINES)
GIVEN: dict[str, Any] = {"company": "main", "ledger": "qbo", "lineage": ("[...]", 0), "revision": 0, "part": 1}


def test_the_reference_is_the_same_for_ever() -> None:
    # a changed value here would make every document of a running company look unknown: never "update" it
    assert reference.derive(DOCUMENT, **GIVEN) == "TO-TQUGCNJ6K5YY"
    assert reference.derive(reference.parse(reference.canonical(DOCUMENT)), **GIVEN) == "TO-TQUGCNJ6K5YY"


@pytest.mark.parametrize(
    "other",
    [{"company": "b"}, {"ledger": "xero"}, {"lineage": ("[...]", 1)}, {"revision": 1}, {"part": 2}],
    ids=lambda other: next(iter(other)),
)
def test_the_reference_depends_on_everything_it_stands_for(other: dict[str, Any]) -> None:
    assert reference.derive(DOCUMENT, **{**GIVEN, **other}) != reference.derive(DOCUMENT, **GIVEN)


def test_the_reference_depends_on_the_content_and_never_on_itself() -> None:
    assert reference.derive(replace(DOCUMENT, day=date(2026, 3, 2)), **GIVEN) != reference.derive(DOCUMENT, **GIVEN)
    with pytest.raises(ValueError, match="already carries"):
        reference.derive(replace(DOCUMENT, reference="TO-X"), **GIVEN)


def test_a_key_belongs_to_one_body_and_one_generation() -> None:
    def key(generation: int = 0, body: bytes = b"{}", length_max: int = 40) -> str:
        return reference.key(
            "TO-A", company="main", ledger="qbo", generation=generation, body=body, length_max=length_max
        )

    assert key() == key()
    assert len({key(), key(1), key(body=b"{ }")}) == 3
    assert len(key()) == 40
    assert len(key(length_max=36)) == 36
