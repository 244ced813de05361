"""Vendors as servers on loopback, what a project's configuration says to reach them, and a person's consent."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tieout import Workspace
from tieout_sandbox.scenarios.house import RATES
from tieout_sandbox.simulators.app import serve
from tieout_sandbox.simulators.faults import Faults

_SECRETS = 'client_id = "env:SANDBOX_CLIENT"\nclient_secret = "env:SANDBOX_SECRET"\n'
_NOTE = "export SANDBOX_CLIENT=client SANDBOX_SECRET=secret; then: tieout sandbox connect {name} --code {code}"


def start(stack: ExitStack, name: str, folder: Path | None, fault_seed: int | None) -> dict[str, Any]:
    """Start one vendor; it stops with the stack. Answers with its address, its configuration and how to get in."""
    faults = Faults(fault_seed or 0, RATES if fault_seed is not None else None)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.db" if folder is not None else None
    if name == "quickbooks":
        from tieout_sandbox.simulators.quickbooks import QuickBooksSim
        from tieout_sandbox.simulators.quickbooks.app import REALM

        books = QuickBooksSim(faults=faults, path=path)
        address = stack.enter_context(serve(books))
        config = f'connector = "quickbooks"\nrealm = "{REALM}"\napi_url = "{address}"\n'
        config += f'token_url = "{address}/oauth2/v1/tokens/bearer"\n{_SECRETS}'
        note = _NOTE.format(name=name, code=books.grants.consent())
    elif name == "xero":
        from tieout_sandbox.simulators.xero import XeroSim
        from tieout_sandbox.simulators.xero.app import TENANT

        organisation = XeroSim(faults=faults, path=path)
        address = stack.enter_context(serve(organisation))
        config = f'connector = "xero"\ntenant = "{TENANT}"\ntier = "standard"\napi_url = "{address}/api.xro/2.0"\n'
        config += f'token_url = "{address}/connect/token"\n{_SECRETS}'
        note = _NOTE.format(name=name, code=organisation.grants.consent())
    else:
        from tieout_sandbox.simulators.shopify import ShopifySim
        from tieout_sandbox.simulators.shopify.app import TOKEN

        shop = ShopifySim(faults=faults, path=path)
        address = stack.enter_context(serve(shop))
        config = f'connector = "shopify"\nshop = "{shop.shop}"\napi_url = "{address}"\ntoken = "env:SANDBOX_TOKEN"\n'
        note = f"export SANDBOX_TOKEN={TOKEN}"
    role = f'[connections.{name}]\nid = "{name}"\ncompany = "main"\n{config}'
    return {"name": name, "address": address, "config": role, "note": note}


def connect(folder: Path, name: str, code: str) -> dict[str, Any]:
    """Exchange a simulator's code for tokens, which the project keeps."""
    with Workspace.open(folder, actor="sandbox") as work:
        work.take_code(name, code)
    return {"connection": name, "state": "connected"}
