"""Configuration of a `xero` connection."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from tieout import Secret

API = "https://api.xero.com/api.xro/2.0/"
TOKENS = "https://identity.xero.com/connect/token"
CONSENT = "https://login.xero.com/identity/connect/authorize"
SCOPES = (
    "offline_access accounting.manualjournals accounting.settings.read accounting.reports.trialbalance.read "
    "accounting.invoices accounting.banktransactions.read"
)
DAY_CALLS = {"starter": 1_000, "standard": 5_000}


class Category(BaseModel):
    """A tracking category by its id, and our values → ids of its options."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    id: UUID
    options: dict[str, UUID]


class StreamConfig(BaseModel):
    """A stream of the connection; its name is one of the manifest's."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    name: Literal["bills", "credits"]


class XeroConfig(BaseModel):
    """One organisation. Account codes are Xero's codes; an account without a code goes by its AccountID.

    `tracking`: our dimension (`location` is the line's location) → category; at most two. `contacts`: our party → ContactID.
    `custom_connection`: client credentials instead of a person's consent. `adviser`: the consent came from an adviser, whom
    the period lock date does not bind.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    tenant: UUID
    client_id: Secret
    client_secret: Secret
    webhook_key: Secret | None = None  # with it, Xero's calls are believed
    custom_connection: bool = False
    scopes: str = SCOPES
    tier: Literal["starter", "standard"] = "starter"
    api_url: str | None = None  # a simulator on loopback
    token_url: str | None = None
    currency: str | None = None  # None: the company's
    tracking: dict[str, Category] = Field(default_factory=dict, max_length=2)
    contacts: dict[str, UUID] = Field(default_factory=dict)
    streams: tuple[StreamConfig, ...] = ()
    adviser: bool = False
    on_cash_reports: bool = False  # whether our journals show on cash-basis reports

    @property
    def base_url(self) -> str:
        return (self.api_url or API).rstrip("/") + "/"
