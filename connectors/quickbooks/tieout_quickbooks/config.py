"""Configuration of a `quickbooks` connection."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from tieout import Secret

HOSTS = {
    "production": "https://quickbooks.api.intuit.com",
    "sandbox": "https://sandbox-quickbooks.api.intuit.com",
}
TOKENS = "https://oauth.platform.intuit.com/oauth2/v1/tokens/bearer"
CONSENT = "https://appcenter.intuit.com/connect/oauth2"


class StreamConfig(BaseModel):
    """A stream of the connection; its name is one of the manifest's."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    name: Literal["bills", "vendor_credits"]


class QuickBooksConfig(BaseModel):
    """One company in QuickBooks Online. Account codes are account ids: they survive a rename (`tieout accounts` lists them).

    `classes`, `departments`: our dimension value or location → id in QuickBooks. `vendors`, `customers`: our party → id.
    `sales_items`: income account → id of the service item that books to it; only with these can invoices be delivered.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    realm: str = Field(pattern=r"^\d{1,20}$")
    client_id: Secret
    client_secret: Secret
    webhook_verifier: Secret | None = None  # the verifier token; with it, QuickBooks' calls are believed
    environment: Literal["production", "sandbox"] = "production"
    api_url: str | None = None  # a simulator on loopback
    token_url: str | None = None
    currency: str | None = None  # None: the company's
    classes: dict[str, str] = Field(default_factory=dict)
    departments: dict[str, str] = Field(default_factory=dict)
    vendors: dict[str, str] = Field(default_factory=dict)
    customers: dict[str, str] = Field(default_factory=dict)
    sales_items: dict[str, str] = Field(default_factory=dict)
    history_from: date = date(2000, 1, 1)  # where reports begin
    streams: tuple[StreamConfig, ...] = ()
    calls_per_minute_max: int = Field(default=450, ge=1, le=500)

    @property
    def base_url(self) -> str:
        return f"{(self.api_url or HOSTS[self.environment]).rstrip('/')}/v3/company/{self.realm}/"
