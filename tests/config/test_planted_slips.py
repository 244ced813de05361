"""Each slip planted in a right project is found offline, alone, at its line and column, with the right suggestion.

`at` is a piece of the changed text: the slip must stand exactly where it begins (the first time it occurs).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tieout.config import Slip, check
from tieout.plugins import Plugins


class Planted(NamedTuple):
    name: str
    old: str
    new: str
    at: str
    code: str
    nearest: str = ""
    fix: str = ""
    file: str = "tieout.toml"
    level: str = "error"


OVERRIDE = '[[companies.ACME.account_overrides]]\nrole = "inventory"\naccount = "1500x"\n'
POLICY = "[companies.ACME.posting]"

SLIPS = [
    # spelling of keys
    Planted("key", "currency = ", "curency = ", "curency", "TO1072", "currency"),
    Planted("table", "[sla]", "[slo]", "slo]", "TO1072", "sla"),
    Planted("nested key", "year_start_month", "year_begin_month", "year_begin", "TO1072", "year_start_month"),
    Planted("policy key", "cost_method", "costing_method", "costing", "TO1072", "cost_method"),
    Planted("connector key", "folder = ", "foldr = ", "foldr", "TO1072", "folder"),
    Planted("key of a lax connector", 'path = "books.bean"', 'path = "b"\nowners = "x"', "owners", "TO1072", "owner"),
    Planted("stream key", "missing_cursor", "mising_cursor", "mising", "TO1072", "missing_cursor"),
    Planted("scope by channel", 'categories = ["toys"]', 'channels = ["web"]', "channels", "TO1072", fix="categories"),
    # form of values
    Planted("not TOML", 'currency = "EUR"', 'currency = "EUR', '\ntimezone = "Europe', "TO1071"),
    Planted("key twice", 'mode = "post"', 'mode = "post"\nmode = "shadow"', '\n\n[companies.ACME.acc', "TO1071"),
    Planted("missing key", 'legal_name = "Acme Trading GmbH"\n', "", "ACME]", "TO1073", fix="legal_name ="),
    Planted("choice", 'mode = "post"', 'mode = "posting"', '"posting"', "TO1074", "post"),
    Planted("currency", '"EUR"', '"EURO"', '"EURO"', "TO1074", "EUR"),
    Planted("zone", "Europe/Berlin", "Europe/Berln", '"Europe/Berln', "TO1074", "Europe/Berlin"),
    Planted("city for a zone", "Europe/Berlin", "Berlin", '"Berlin"', "TO1074", "Europe/Berlin"),
    Planted("weekday", '"saturday"', '"satuday"', '"satuday"', "TO1074", "saturday"),
    Planted("month", "year_start_month = 2", "year_start_month = 13", "13", "TO1074"),
    Planted("duration", 'seal_lag = "2h"', 'seal_lag = "2 hours"', '"2 hours"', "TO1074", fix="s, m, h or d"),
    Planted("cron weekday", "* * mon-fri", "* * 1-5", '"30 6 * * 1-5', "TO1074", fix="mon tue wed"),
    Planted("cron minute", "30 6 *", "61 6 *", '"61 6', "TO1074", fix="0 to 59"),
    Planted("cron fields", "30 6 * * mon-fri", "30 6 * *", '"30 6', "TO1074", fix="day of week"),
    Planted("quiet hours", '"22:00-06:00"', '"22-6"', '"22-6"', "TO1074", fix="22:00-06:00"),
    Planted("day", "effective = 2026-07-01", 'effective = "1 July"', '"1 July"', "TO1074", fix="2026-01-31"),
    Planted("decimals of money", '"1000.00"', '"1000.005"', '"1000.005"', "TO1074"),
    Planted("unquoted account", 'grni = "2100"', "grni = 2100", "2100\n", "TO1074"),
    Planted("store", "sqlite:///books.db", "sqlite://books.db", '"sqlite:', "TO1074", "sqlite:///books.db"),
    Planted("store scheme", "sqlite:///books.db", "postgres://h/b", '"postgres:', "TO1074", "postgresql://h/b"),
    Planted("connector choice", 'speed = "slow"', 'speed = "fst"', '"fst"', "TO1074", "fast"),
    Planted("policy value", 'cost_method = "fifo"', 'rounding = "half_evn"', '"half_evn"', "TO1074", "half_even"),
    Planted("error code", 'TO2 = "int', 'T2 = "int', "T2 =", "TO1074"),
    # secrets
    Planted("literal secret", '"env:SHOP_TOKEN"', '"shpat_123"', '"shpat_123"', "TO1075", fix='env:SHOP_TOKEN"'),
    Planted("password in a URL", 'folder = "drop"', 'folder = "ftp://a:pw@h/"', '"ftp:', "TO1075", fix="env:SHOP_FOLDER"),
    Planted("password in the store", "sqlite:///books.db", "postgresql://a:pw@h/b", '"postgresql:', "TO1075"),
    # names that lead nowhere
    Planted("ledger", 'ledger = "books"', 'ledger = "boks"', '"boks"', "TO1010", "books"),
    Planted("company", 'company = "ACME"\nowner', 'company = "ACNE"\nowner', '"ACNE"', "TO1010", "ACME"),
    Planted("scheduled connection", "streams.shop.moves", "streams.shp.moves", "shp.moves", "TO1010", "shop"),
    Planted("scheduled stream", "streams.shop.moves", "streams.shop.move", "move]", "TO1010", "moves"),
    Planted("connector", 'connector = "probe"', 'connector = "prob"', '"prob"', "TO1013", "probe"),
    Planted("mapping file", '"moves.yaml"', '"move.yaml"', '"move.yaml"', "TO1014", "moves.yaml"),
    Planted("shipped mapping", '"moves.yaml"', '"shipped:sample_shipment"', '"shipped', "TO1011", "shipped:sample_shipments"),
    Planted("template", 'ledger = "books"', 'ledger = "books"\naccounts_template = "beancont"', '"beancont"', "TO1011", "beancount"),
    Planted("master file", '"items.csv"', '"item.csv"', '"item.csv"', "TO1014", "items.csv"),
    Planted("stream", 'name = "moves"\n', 'name = "move"\n', '"move"', "TO1019", "moves"),
    # connections
    Planted("same id", '"c-books"', '"c-shop"', '"c-shop"\nconnector = "scribe"', "TO1012", fix='id = "books"'),
    Planted("no ledger role", 'ledger = "books"', 'ledger = "shop"', '"shop"', "TO1018", fix="books"),
    Planted("role not offered", 'owner = "it"', 'roles = ["ledger"]', '"ledger"]', "TO1018", fix="['source']"),
    Planted("no ledger at all", 'ledger = "books"\n', "", "ACME]", "TO1073", fix='mode = "shadow"'),
    Planted("no mapping", 'mapping = "moves.yaml"\n', "", "streams]", "TO1073", fix="shipped:NAME"),
    # calendar and locks
    Planted("weeks without a day", ', year_end_weekday = "saturday"', "", "{ kind", "TO1020", fix="year_end_weekday"),
    Planted("months with a day", '"4-4-5"', '"months"', '"saturday"', "TO1020"),
    Planted("lock inside a period", "= 2026-01-31", "= 2026-01-20", "2026-01-20", "TO1021", level="warning"),
    Planted("go-live locked", "go_live = 2026-02-01", "go_live = 2026-01-05", "2026-01-05", "TO1052", level="warning"),
    # policies
    Planted("method", '"standard"', '"standart"', '"standart"', "TO1030", "standard"),
    Planted("lifo under ifrs", '"fifo"', '"lifo"', '"lifo"', "TO1031", fix="us_gaap"),
    Planted("method by channel", 'category = "toys"\ncost', 'channel = "web"\ncost', '"standard"', "TO1032"),
    Planted("version twice", POLICY, f'[[companies.ACME.policies]]\ncost_method = "fifo"\n{POLICY}', "cost_method = \"fifo\"\n[comp", "TO1033"),
    # accounts
    Planted("role", "cogs = ", "cogz = ", "cogz", "TO1040", "cogs"),
    Planted("role in CSV", "cogs,5020", "cocs,5020", "cocs", "TO1040", "cogs", file="accounts.csv"),
    Planted("equal rows in CSV", "cogs,5021,,toys,,,,,2026-07-01", "cogs,5021,,toys,,,,,", "cogs,5021", "TO1041", file="accounts.csv"),
    Planted("equal to the table", "rollout_clearing,1490", "rollout_clearing,1490,,,,,,,\ngrni,2100", "grni,2100", "TO1041", file="accounts.csv"),
    Planted("finer than the pool", "inventory,1401,,toys,,,,,", "inventory,1401,,,,EAST,,,", "inventory,1401", "TO1042", fix="cost_scope", file="accounts.csv"),
    Planted("pool by reason", "inventory,1401,,toys,,,,,", "inventory,1401,,toys,damage,,,,", "inventory,1401", "TO1042", file="accounts.csv"),
    Planted("account not in chart", '"2100"', '"21000"', "grni =", "TO1043", "2100"),
    Planted("income on an asset role", 'inventory = "1400"', 'inventory = "4000"', "inventory = ", "TO1044", fix="type asset"),
    Planted("inactive account", 'inventory = "1400"', 'inventory = "1500"', "inventory = ", "TO1044", fix="activate"),
    Planted("bank by journal", 'inventory = "1400"', 'inventory = "1000"', "inventory = ", "TO1044", fix="clearing account"),
    Planted("currency of an account", "1410,Transit,asset,,", "1410,Transit,asset,,USD", "inventory_transit =", "TO1044", file="chart.csv"),
    Planted("role not mapped", 'inventory_transit = "1410"\n', "", "accounts]", "TO1046", fix='inventory_transit = "ACCOUNT"'),
    Planted("reason's role not mapped", 'damage_loss = "5210"\n', "", "accounts]", "TO1046", fix="damage_loss"),
    Planted("column of the CSV", "party_group,eff", "party_grp,eff", "party_grp", "TO1015", "party_group", file="accounts.csv"),
    Planted("day in the CSV", "2026-07-01", "1.7.2026", "1.7.2026", "TO1016", file="accounts.csv"),
    Planted("cell too many", "ppv,5300,,,,,,,", "ppv,5300,,,,,,,,x", "x", "TO1015", file="accounts.csv"),
    Planted("account type", "4000,Sales,income", "4000,Sales,incme", "incme", "TO1016", "income", file="chart.csv"),
    Planted("only special cases", 'cogs = "5000"\n', "", "accounts]", "TO1046", fix="cogs = ", level="warning"),
    # reasons, triggers, scopes
    Planted("reason code", '= "damage"', '= "damaged"', '"damaged"', "TO1017", "damage"),
    Planted("same reason twice", '"Miscount" =', '"Broken in transit " =', '"Broken in', "TO1041"),
    Planted("reason in CSV", "cogs,5030,SKU-9,,,", "cogs,5030,SKU-9,,damag,", "cogs,5030", "TO1017", "damage", file="accounts.csv"),
    Planted("event type", POLICY, f'[companies.ACME.triggers]\norder.fulfiled = "shop"\n{POLICY}', "fulfiled", "TO1050", "order.fulfilled"),
    Planted("two owners", POLICY, f'[companies.ACME.triggers]\norder.fulfilled = ["shop", "books"]\n{POLICY}', '["shop"', "TO1050", fix="exactly one"),
    Planted("owner unknown", POLICY, f'[companies.ACME.triggers]\norder.fulfilled = "shap"\n{POLICY}', '"shap"', "TO1010", "shop"),
    Planted("owner that never reports it", POLICY, f'[companies.ACME.triggers]\ncount.approved = "shop"\n{POLICY}', '"shop"\n[', "TO1050", level="warning"),
    Planted("scope splits pools", 'categories = ["toys"]', 'locations = ["EAST"]', '["EAST"]', "TO1051", fix="by category"),
    Planted("scopes overlap", "[connections.shop]", '[[companies.ACME.scopes]]\ncategories = ["toys"]\nmode = "post"\n[connections.shop]', 'scopes]]\ncategories = ["toys"]\nmode = "post"', "TO1051"),
    # schedule and objectives
    Planted("every and cron", 'cron = "30', 'every = "5m"\ncron = "30', "moves]\nevery", "TO1060"),
    Planted("jitter too long", 'jitter = "30s"', 'jitter = "20m"', '"20m"', "TO1060"),
    Planted("breach before warning", 'freshness_error = "6h"', 'freshness_error = "5m"', '"5m"\n\n[exc', "TO1061"),
    Planted("outage of nobody", "[exceptions]", '[[sla.maintenance]]\nconnection = "shup"\nstarts = 2026-01-01\nends = 2026-01-02\n[exceptions]', '"shup"', "TO1010", "shop"),
    Planted("outage backwards", "[exceptions]", '[[sla.maintenance]]\nconnection = "shop"\nstarts = 2026-01-02\nends = 2026-01-01\n[exceptions]', "2026-01-01\n[", "TO1061"),
]  # fmt: skip


TOML = (Path(__file__).parent / "acme.toml").read_text(encoding="utf-8")


def place(text: str, piece: str) -> tuple[int, int]:
    offset = text.index(piece)
    return text.count("\n", 0, offset) + 1, offset - (text.rfind("\n", 0, offset) + 1) + 1


@pytest.mark.parametrize("planted", SLIPS, ids=lambda planted: planted.name.replace(" ", "-"))
def test_a_planted_slip_is_found_where_it_is(planted: Planted, project: Any, plugins: Plugins) -> None:
    edit = (planted.old, planted.new)
    in_toml = planted.file == "tieout.toml"
    folder = project(edit) if in_toml else project(**{planted.file.removesuffix(".csv"): edit})
    slips = check(folder, plugins)
    assert len(slips) == 1, "\n".join(map(str, slips))
    slip = slips[0]
    file = "tieout.toml" if planted.name == "currency of an account" else planted.file
    assert slip.file == file
    text = (folder / file).read_text(encoding="utf-8")
    assert (slip.code, slip.line, slip.column) == (planted.code, *place(text, planted.at)), str(slip)
    assert slip.nearest == planted.nearest
    assert planted.fix in slip.fix
    assert slip.level == planted.level
    assert slip.what
    assert slip.why
    assert slip.fix


def test_there_are_enough_of_them() -> None:
    assert len({planted.name for planted in SLIPS}) == len(SLIPS) >= 60


def edited(trial: list[Planted]) -> str:
    """The configuration with these slips in it; empty when one of them finds its place changed by another."""
    text = TOML
    for planted in trial:
        if planted.file != "tieout.toml" or planted.old not in text:
            return ""
        text = text.replace(planted.old, planted.new, 1)
    return text


def test_all_of_many_slips_are_found_at_once(project: Any, plugins: Plugins) -> None:
    """Thirty slips that do not hide each other, in three files, in one go."""
    chosen: list[Planted] = []
    # What is not read cannot be checked: values under a misspelt key or an unknown connector, a day in no calendar.
    hiding = {"key", "connector", "lock inside a period"}
    for planted in [p for p in SLIPS if p.code != "TO1071" and p.name not in hiding]:
        trial = [*chosen, planted]
        text = edited(trial)
        if text and all(text.count(p.at) == 1 for p in trial) and len(chosen) < 30:
            chosen = trial
    assert len(chosen) == 30
    folder = project(*[(planted.old, planted.new) for planted in chosen])
    text = (folder / "tieout.toml").read_text(encoding="utf-8")
    found = {(slip.code, slip.line, slip.nearest) for slip in check(folder, plugins)}
    wanted = {(planted.code, place(text, planted.at)[0], planted.nearest) for planted in chosen}
    assert wanted <= found, wanted - found


def test_two_connections_that_yield_one_event_type_need_an_owner(project: Any, plugins: Plugins) -> None:
    till = """
[connections.till]
id = "c-till"
connector = "probe"
company = "ACME"
folder = "till"
token = "env:TILL"
[[connections.till.streams]]
name = "moves"
mapping = "moves.yaml"
"""
    end = "\n[schedule.pull]"
    slips = check(project((end, till + end)), plugins)
    owned = sorted(slip.what for slip in slips)
    assert owned[0] == "order.fulfilled has 2 owners: shop and till"
    assert len(owned) == 4
    assert {slip.code for slip in slips} == {"TO1050"}
    assert {slip.line for slip in slips} == {6}
    types = ("order.fulfilled", "purchase.received", "transfer.dispatched", "stock.adjusted")
    triggers = "[companies.ACME.triggers]\n" + "".join(f'{name} = "shop"\n' for name in types)
    assert check(project((end, till + end), (POLICY, triggers + POLICY)), plugins) == []
    by_channel = triggers.replace('order.fulfilled = "shop"', '"order.fulfilled" = { web = "shop", store = "till" }')
    assert check(project((end, till + end), (POLICY, by_channel + POLICY)), plugins) == []
    half = triggers.replace('order.fulfilled = "shop"', 'order.fulfilled = { web = "shop" }')
    assert [slip.what for slip in check(project((end, till + end), (POLICY, half + POLICY)), plugins)] == [owned[0]]


def test_a_slip_says_itself_as_text_and_as_data(project: Any, plugins: Plugins) -> None:
    (slip,) = check(project(("currency = ", "curency = ")), plugins)
    assert str(slip) == (
        "tieout.toml:8:1: error TO1072 unknown key 'curency' in [companies.ACME]: "
        "nobody reads it; a default would be used; fix: did you mean 'currency'?"
    )
    assert slip.as_dict()["where"] == "tieout.toml:8:1"
    assert isinstance(slip, Slip)
