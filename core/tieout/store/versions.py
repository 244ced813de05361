"""Texts that rows point to by version: mappings, policies, account maps, configuration. Kept once, for ever."""

from __future__ import annotations

import sqlalchemy as sa

from tieout.store.acts import now_micros
from tieout.store.schema import version
from tieout.store.tx import Tx


def keep_version(tx: Tx, company: int, kind: str, number: str, body: str) -> bool:
    """Keep the text of a version; False when it was kept before. A version is a hash of its text, so it never differs."""
    v = version.c
    where = (v.company == company) & (v.kind == kind) & (v.version == number)
    if tx.connection.scalar(sa.select(v.id).where(where)) is not None:
        return False
    row = {"company": company, "kind": kind, "version": number, "first_used": now_micros(), "body": body}
    tx.execute(sa.insert(version).values(**row))
    return True


def text_of_version(tx: Tx, company: int, kind: str, number: str) -> str | None:
    """The text of a version, None when it was never used here."""
    v = version.c
    where = (v.company == company) & (v.kind == kind) & (v.version == number)
    body: str | None = tx.connection.scalar(sa.select(v.body).where(where))
    return body
