"""The public names as a user's editor sees them: `make lint` runs pyright on this file. Never executed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel

import tieout
from tieout import (
    Context,
    Event,
    Finding,
    Manifest,
    Money,
    Page,
    Policy,
    PolicyBook,
    Retryable,
    Source,
    StockReport,
    Stream,
    Valuation,
    Workspace,
    hookimpl,
    value,
)


class Config(BaseModel):
    url: str = ""


class Shop:
    manifest: ClassVar[Manifest] = Manifest(name="shop", vendor="Shop", version="1", roles=("source",), config=Config)

    def __init__(self, context: Context) -> None:
        self.context = context

    def check(self) -> list[Finding]:
        return [Finding("ok", "reachable")]

    def streams(self) -> Sequence[Stream]:
        return [Stream(name="orders", key=("id",), revision="updated_at")]

    def pull(self, stream: str, cursor: str | None, until: datetime) -> Iterator[Page]:
        if stream != "orders":
            raise Retryable("not now")
        yield Page(records=[{"id": "1"}], cursor="1")

    def stock(self, as_of: datetime) -> StockReport | None:
        return None


@hookimpl
def tieout_connector() -> type[Source]:
    return Shop


def valued(lines: Sequence[Event]) -> Valuation:
    return value(lines, Policy(cost_method="weighted_average"), currency="EUR")


def books(folder: Path) -> str:
    with Workspace.open(folder, actor="ann") as work:
        answer = work.run()
        return str(answer["unexplained"])


price: Money = Money.parse("12.30 EUR")
minor: int = price.minor
book: PolicyBook = PolicyBook.of(cost_method="fifo")
version: str = tieout.__version__
