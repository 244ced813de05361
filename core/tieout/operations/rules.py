"""Rules that are in use do not change silently: policies and account maps are versioned, a change that would restate what
is posted stops as a proposal (DESIGN §2, "Account maps, policies, mappings and rules are versioned")."""

from __future__ import annotations

import hashlib

import sqlalchemy as sa

from tieout.errors import ConfigError
from tieout.operations.office import Office
from tieout.store.acts import record_act
from tieout.store.schema import booking, entry, meta
from tieout.store.tx import Tx
from tieout.store.versions import keep_version


def text_of(office: Office) -> str:
    """Policies and account map of a company as text."""
    company = office.desk.company
    policies = [f"{v.effective} {v.category} {v.channel} {sorted(v.values.items())}" for v in company.policies.versions]
    accounts = [repr(row._replace(where="")) for row in company.accounts.rows]
    return "\n".join([*policies, *sorted(accounts)])


def refuse_silent_change(office: Office) -> None:
    """Accept rules that leave everything posted as it is; refuse others with TO1097 and what they would restate.

    A new version with an effective date of its own, or an account for what had none, changes nothing posted and passes.
    """
    text = text_of(office)
    digest = hashlib.sha256(text.encode()).hexdigest()[:32]
    with office.desk.store.read() as rx:
        known = rx.execute(sa.select(meta.c.value).where(meta.c.key == _key(office))).scalar()
        posted = known is not None and _anything_posted(rx, office)
    if known == digest:
        return
    if posted:
        placed, _, _ = office.books.plan(everything=True)
        restated = [one for one in placed if one.booking.correction]
        if restated:
            periods = sorted({one.day.period for one in restated})
            raise ConfigError(
                f"the policies or account map changed, and {len(restated)} posted movements would be restated "
                f"(periods {', '.join(periods)}); nothing was posted",
                code="TO1097",
                where=str(office.desk.project.file),
                fix="give the change an effective date, or look at `tieout plan --restate --out FILE` and apply it",
            )
    accept(office, digest, text)


def accept(office: Office, digest: str = "", text: str = "") -> None:
    """From now on these rules are the ones in use."""
    text = text or text_of(office)
    digest = digest or hashlib.sha256(text.encode()).hexdigest()[:32]
    desk = office.desk
    with desk.store.write() as tx:
        if keep_version(tx, desk.id, "rules", digest, text):
            record_act(tx, desk.id, desk.actor, "rules.change", digest, {"lines": text.count("\n") + 1})
        desk.store.set_meta(tx, _key(office), digest)


def _anything_posted(rx: Tx, office: Office) -> bool:
    query = sa.select(booking.c.id).join(entry, entry.c.id == booking.c.entry).where(entry.c.company == office.desk.id)
    return rx.execute(query.limit(1)).first() is not None


def _key(office: Office) -> str:
    return f"rules:{office.desk.id}"
