"""Random histories of orders, purchases and payouts, as events: what a shop and its vendors can do to each other."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tieout.model.event import Event

ITEMS = ("A", "B")
ORDERS = ("O-1", "O-1", "O-1", "O-2")
RATES = ("0.9", "0.95", "1.1")


def _event(draw: Any, number: int, kind: str, lines: list[dict[str, Any]], **fields: Any) -> Event:
    day = draw(st.integers(1, 28))
    hour = draw(st.integers(0, 23))
    return Event.model_validate(
        {
            "id": f"e{number}",
            "type": kind,
            "effective_at": f"2026-01-{day:02d}T{hour:02d}:00:00+00:00",
            "lines": lines,
            **{name: value for name, value in fields.items() if value is not None},
        }
    )


def _money(draw: Any, most: int = 20_000) -> str:
    cents = draw(st.integers(1, most))
    return f"{cents // 100}.{cents % 100:02d}"


def _lines(draw: Any, *, priced: bool, located: bool) -> list[dict[str, Any]]:
    items = draw(st.lists(st.sampled_from(ITEMS), min_size=1, max_size=2, unique=True))
    out = []
    for item in items:
        row = {"item": item, "quantity": str(draw(st.integers(1, 4)))}
        if located:
            row["location"] = "MAIN"
        if priced:
            row["amount"] = _money(draw)
        out.append(row)
    return out


def _charges(draw: Any) -> dict[str, str] | None:
    words = draw(st.lists(st.sampled_from(["shipping", "tax", "discount", "tips"]), max_size=2, unique=True))
    return {word: _money(draw, 300) for word in words} or None


def order_event(draw: Any, number: int, currency: str | None) -> Event:
    kind = draw(
        st.sampled_from(
            [
                "order.placed",
                "order.paid",
                "order.paid",
                "order.fulfilled",
                "order.fulfilled",
                "order.fulfilled",
                "order.invoiced",
                "order.edited",
                "order.cancelled",
                "refund.issued",
                "returns.estimated",
                "returns.released",
                "deposit.forfeited",
            ]
        )
    )
    order = draw(st.sampled_from(ORDERS))
    money = {"currency": currency, "rate": draw(st.sampled_from(RATES))} if currency else {}
    fields: dict[str, Any] = {"ref": {"document": order}, **money}
    lines: list[dict[str, Any]] = []
    if kind == "order.placed":
        fields |= {"document": order, "ref": None, "amounts": _charges(draw)}
        lines = _lines(draw, priced=True, located=False)
    elif kind in ("order.fulfilled", "order.invoiced", "order.edited"):
        priced = kind == "order.edited" or draw(st.integers(0, 3)) > 0
        lines = _lines(draw, priced=priced, located=kind == "order.fulfilled")
        fields["amounts"] = _charges(draw) if priced else None
    elif kind == "order.paid":
        fields["tenders"] = {draw(st.sampled_from(["card", "gift_card"])): _money(draw)}
    elif kind == "order.cancelled":
        lines = _lines(draw, priced=False, located=True) if draw(st.booleans()) else []
        fields["tenders"] = {"card": _money(draw, 2_000)} if not lines and draw(st.booleans()) else None
    elif kind == "refund.issued":
        fields["tenders"] = {draw(st.sampled_from(["card", "store_credit"])): _money(draw, 5_000)}
    elif kind == "returns.estimated":
        lines, fields["amount"] = [{"item": draw(st.sampled_from(ITEMS)), "quantity": "1"}], _money(draw, 3_000)
    elif kind == "returns.released":
        lines = [{"item": draw(st.sampled_from(ITEMS)), "quantity": "1"}]
    else:
        fields["amount"] = _money(draw, 2_000)
    return _event(draw, number, kind, lines, **fields)


def purchase_event(draw: Any, number: int, currency: str | None) -> Event:
    kind = draw(st.sampled_from(["purchase.prepaid", "purchase.received", "purchase.billed", "purchase.paid"]))
    order = draw(st.sampled_from(["PO-1", "PO-1", "PO-1", "PO-2"]))
    money = {"currency": currency, "rate": draw(st.sampled_from(RATES))} if currency else {}
    fields: dict[str, Any] = {"ref": {"document": order}, **money}
    lines: list[dict[str, Any]] = []
    if kind == "purchase.prepaid":
        fields["amount"] = _money(draw, 5_000)
    elif kind == "purchase.paid":
        fields |= {"amount": _money(draw, 5_000), "ref": {"document": f"B-{order}"}}
    else:
        lines = [
            {"item": "A", "quantity": str(draw(st.integers(1, 5))), "unit_price": f"1{draw(st.integers(0, 9))}.00"}
        ]
        if kind == "purchase.received":
            lines[0]["location"] = "MAIN"
        else:
            fields["document"] = f"B-{order}"
    return _event(draw, number, kind, lines, **fields)


def other_event(draw: Any, number: int, currency: str | None) -> Event:
    kind = draw(st.sampled_from(["payout.paid", "dispute.changed", "fx.remeasured", "giftcard.sold"]))
    if kind == "fx.remeasured":
        return _event(draw, number, kind, [], currency="USD", rate=draw(st.sampled_from(RATES)))
    if kind == "payout.paid":
        return payout(draw, number, currency)
    fields: dict[str, Any] = {"amount": _money(draw)}
    if kind == "dispute.changed":
        fields |= {"document": "D-1", "status": draw(st.sampled_from(["opened", "won", "lost"]))}
    return _event(draw, number, kind, [], **fields)


def payout(draw: Any, number: int, currency: str | None) -> Event:
    """What reached the bank; now and then it names the sales it is made of, at a rate of its own."""
    gross, fee = draw(st.integers(301, 20_000)), draw(st.integers(1, 300))
    amount = f"{(gross - fee) // 100}.{(gross - fee) % 100:02d}"
    if draw(st.booleans()):
        return _event(draw, number, "payout.paid", [], amount=amount, amounts={"fees": f"{fee / 100:.2f}"})
    sale = {"amount": f"{gross / 100:.2f}", "reason": "charge", "ref": {"document": draw(st.sampled_from(ORDERS))}}
    money = {"currency": currency, "rate": draw(st.sampled_from(RATES))} if currency and draw(st.booleans()) else {}
    lines: list[dict[str, Any]] = [sale, {"amount": f"-{fee / 100:.2f}", "reason": "fee"}]
    return _event(draw, number, "payout.paid", lines, amount=amount, **money)


@st.composite
def histories(
    draw: Any, *, foreign: bool = True, only_orders: bool = False, first: int = 0, most: int = 12
) -> list[Event]:
    """An opening of everything and up to `most` documents, numbered from `first`; now and then one is taken back by a
    later revision."""
    currency = draw(st.sampled_from([None, "USD"])) if foreign else None
    opening = Event.model_validate(
        {
            "id": "opening",
            "type": "opening.loaded",
            "effective_at": "2026-01-01",
            "lines": [{"item": x, "quantity": "1000", "location": "MAIN", "amount": "500.00"} for x in ITEMS],
        }
    )
    only_orders = only_orders or draw(st.booleans())
    makers = [order_event] if only_orders else [order_event, order_event, purchase_event, other_event]
    events = [opening]
    for number in range(first, first + draw(st.integers(most // 2, most))):
        made = draw(st.sampled_from(makers))(draw, number, currency)
        events.append(made)
        if draw(st.integers(0, 7)) == 0:
            events.append(made.model_copy(update={"revision": 1, "void": True}))
    return events
