"""Master data: what items, locations, parties and accounts are, whoever names them how."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Item(BaseModel):
    """A thing we hold. `sku` is its canonical id; `units` are exact numbers of stock units per other unit."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    sku: str = Field(min_length=1)
    name: str = ""
    category: str = ""
    stock_unit: str = "C62"
    units: Mapping[str, Fraction] = Field(default_factory=dict)
    gtin: str | None = None
    stocked: bool = True  # False: services, postage, fees; never valued
    kind: Literal["goods", "raw", "bundle"] = (
        "goods"  # raw: role inventory_raw; bundle: sold as its components, never held
    )
    catalogue_cost: Decimal | None = None  # last resort for negative stock, `valuation-rules` §5
    weight: Decimal | None = None
    volume: Decimal | None = None


class Location(BaseModel):
    """A place where stock lies. `owner` other than empty: somebody else's stock, memo only."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    code: str = Field(min_length=1)
    name: str = ""
    kind: Literal["warehouse", "store", "supplier", "consignee", "virtual"] = "warehouse"
    owner: str = ""


class Party(BaseModel):
    """A customer, supplier or affiliate."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    code: str = Field(min_length=1)
    name: str = ""
    kind: Literal["customer", "supplier", "affiliate", "other"] = "other"
    group: str = ""


class Account(BaseModel):
    """A ledger account as the ledger connector reports it."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    code: str = Field(min_length=1)
    name: str = ""
    type: str = ""  # asset, liability, equity, income, expense, in our words
    vendor_type: str = ""
    currency: str | None = None
    active: bool = True
    accepts_journals: bool = True
