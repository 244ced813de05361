"""Configuration of a `shopify` connection."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tieout import Secret

VERSION = "2026-10"
PLANS = {"standard": (2_000, 100), "advanced": (4_000, 200), "plus": (20_000, 1_000), "enterprise": (40_000, 2_000)}


class StreamConfig(BaseModel):
    """A stream of the connection; its name is one of the manifest's."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    name: str


class ShopifyConfig(BaseModel):
    """One shop. Either `token` (a custom app's), or `client_id` and `client_secret`.

    `grant`: `client_credentials` where app and shop belong to one organisation, `authorization_code` where a merchant
    consents (tokens expire and rotate). `item_key`: what events call an item, the SKU or the inventory item's id.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    shop: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*\.myshopify\.com$")
    token: Secret | None = None
    client_id: Secret | None = None
    client_secret: Secret | None = None
    grant: Literal["client_credentials", "authorization_code"] = "client_credentials"
    plan: Literal["standard", "advanced", "plus", "enterprise"] = "standard"
    item_key: Literal["sku", "inventory_item"] = "sku"
    api_url: str | None = None  # a simulator on loopback
    history_from: datetime | None = None  # begin of the first load; None: everything the scopes let us see
    overlap_seconds: int = Field(default=600, ge=0, le=86_400)
    lag_seconds: int = Field(default=60, ge=0, le=3_600)  # the search index is late by seconds
    revenue: bool = False  # read sales agreements too; for a company whose revenue tieout posts
    streams: tuple[StreamConfig, ...] = ()

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        app = self.client_id is not None and self.client_secret is not None
        if (self.token is None) != app:
            raise ValueError("give either `token`, or `client_id` and `client_secret`")
        return self

    @property
    def base_url(self) -> str:
        return f"{(self.api_url or f'https://{self.shop}').rstrip('/')}/admin/api/{VERSION}/"

    @property
    def token_url(self) -> str:
        return f"{(self.api_url or f'https://{self.shop}').rstrip('/')}/admin/oauth/access_token"
