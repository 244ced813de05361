"""Configuration of a `beancount` connection."""

from __future__ import annotations

import csv
from datetime import date
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, field_validator

from tieout import Fatal, Money


class BeancountConfig(BaseModel):
    """Where the ledger is and which accounts it may use. Account codes are beancount account names.

    With neither `accounts` nor `chart`, any valid account is opened when first used; with either, only listed ones are.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    path: Path = Path("books/ledger.beancount")  # relative to the project folder
    currency: str | None = None  # None: the company's
    title: str = "tieout ledger"
    per_year: bool = False  # entries go to ledger-2025.beancount, included by the main file
    accounts: dict[str, str] = Field(default_factory=dict)  # account → its name in words
    chart: Path | None = None  # CSV with columns code, name, type
    auto_open: bool = True
    opened: date = date(1970, 1, 1)  # date of the `open` directives written here
    locked_through: date | None = None
    lock_wait_seconds: int = Field(default=30, ge=0, le=600)

    @field_validator("currency")
    @classmethod
    def _iso(cls, value: str | None) -> str | None:
        if value is not None:
            Money.of(0, value)  # ValueError: not an active ISO 4217 code
        return value

    def listed(self, root: Path) -> dict[str, str]:
        """Accounts of the list and the chart: code → name. Fatal TO6110 when the chart cannot be read."""
        found = dict(self.accounts)
        if self.chart is None:
            return found
        path = root / self.chart
        try:
            with path.open(newline="", encoding="utf-8-sig") as file:
                for row in csv.DictReader(file):
                    found[row["code"].strip()] = (row.get("name") or "").strip()
        except (OSError, KeyError, UnicodeDecodeError) as error:
            fix = "give a UTF-8 CSV with the columns code, name, type"
            raise Fatal(f"chart of accounts: {error}", code="TO6110", where=str(self.chart), fix=fix) from None
        return found
